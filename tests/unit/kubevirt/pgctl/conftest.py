"""The ground every test of pgctl stands on."""

import pytest

from unit.kubevirt.pgctl.ground import Ground


@pytest.fixture
def ground(tmp_path):
    return Ground(tmp_path)
