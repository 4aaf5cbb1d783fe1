"""The same suite on every replication driver."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from contract.array.simulator import Simulator, simulator
from contract.driver.harness import FlashArrayWorld, MockWorld, Scene, World


@pytest.fixture(scope="session")
def arrays(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """Two linked arrays on the wire."""
    with simulator(tmp_path_factory.mktemp("arrays")) as running:
        yield running


@pytest.fixture(scope="session")
def flasharray(arrays: Simulator) -> Iterator[FlashArrayWorld]:
    world = FlashArrayWorld(arrays)
    yield world
    world.close()


@pytest.fixture(scope="session", params=["mock", "flasharray"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> World:
    if request.param == "mock":
        return MockWorld(tmp_path_factory.mktemp("mock"))
    made: FlashArrayWorld = request.getfixturevalue("flasharray")
    return made


@pytest.fixture
def scene(world: World) -> Scene:
    return Scene(world)
