"""One simulator for all of it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from contract.linstor.simulator import Simulator, simulator

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def linstor_world() -> Iterator[Simulator]:
    """A controller with satellites in two clusters and one that only breaks ties."""
    with simulator() as running:
        yield running


@pytest.fixture
def volume(linstor_world: Simulator) -> str:
    """A fresh volume, replicated between the clusters."""
    name = f"pvc-{next(_numbers)}"
    linstor_world.control("POST", "/drbd/volumes", {"name": name, "nodes": ["c1-a", "c2-a"], "size_kib": 4096})
    return name
