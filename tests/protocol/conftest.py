import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from siterecovery.workflow.step import Step

from .play import UNDO_LIMIT, Play, template

Make = Callable[..., Play]
MEMORY = Path("/dev/shm")
"""Where there is one, the databases lie here: a play waits for hundreds of commits, and what it tests is not the disk."""


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return template(tmp_path_factory.mktemp("empty"))


@pytest.fixture
def make(tmp_path: Path, empty: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """A new play for the test; `retain` as `Play` takes it."""
    monkeypatch.setattr(Step, "undo_timeout", UNDO_LIMIT)
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else tmp_path) as directory:
        yield lambda **how: Play(Path(directory), empty, **how)
