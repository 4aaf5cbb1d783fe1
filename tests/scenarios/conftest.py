"""Each scenario plays on a world of its own: two clouds, two arrays, two Protectors as processes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.site_pair import Pair, protected, site_pair


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with site_pair(tmp_path) as made:
        protected(made)
        yield made
