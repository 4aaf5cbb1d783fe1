from pathlib import Path

import pytest

from support.two_sites import TwoSites, make


@pytest.fixture
def sites(tmp_path: Path) -> TwoSites:
    return make(tmp_path)
