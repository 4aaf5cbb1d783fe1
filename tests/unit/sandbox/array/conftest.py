"""A fresh pair of arrays for each test."""

from __future__ import annotations

import pytest

from unit.sandbox.array.pair import Pair


@pytest.fixture
def pair() -> Pair:
    """Two linked arrays."""
    return Pair()
