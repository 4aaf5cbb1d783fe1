"""One ground for each process that runs a part of the matrix."""

from collections.abc import Iterator

import pytest

from crashes.ground import Ground


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    made = Ground(lambda: tmp_path_factory.mktemp("world"))
    yield made
    made.close()
