"""Who talks to the cloud under test, and how.

The tests say only what real OpenStack services do, so they run on the sandbox by default and on any site whose
clouds.yaml is named by SITERECOVERY_CONTRACT_CLOUDS: it needs the clouds `site-a` (an administrator with the role
member in `production`), `site-a-operator` (member of `production`), `site-a-mallory` (member of `other`) and
`site-a-protector` (administrator in `service`), the volume type `replicated-ssd`, the group type `consistent`, the
flavor `m1.small` and the network `net-primary-web`.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openstack
import pytest
from openstack.config import OpenStackConfig

from sandbox.latency import Latency
from sandbox.world import WorldConfig, background

SDK_WARNINGS = [f"ignore::openstack.warnings.RemovedInSDK{major}0Warning" for major in (5, 6)]
CLOUDS = "SITERECOVERY_CONTRACT_CLOUDS"
_QUICK = Latency(
    boot=0.1, start=0.05, stop=0.05, delete=0.05, reboot=0.05, volume=0.02, manage=0.02, attach=0.02, detach=0.02
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """openstacksdk calls methods of its own that it has deprecated, on nearly every request."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings(*SDK_WARNINGS))


@pytest.fixture(scope="session")
def clouds_yaml(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The clouds.yaml of the world under test."""
    given = os.environ.get(CLOUDS)
    if given:
        yield Path(given)
        return
    state = tmp_path_factory.mktemp("world")
    with background(state, WorldConfig(latency=_QUICK)):
        yield state / "clouds.yaml"


@pytest.fixture(scope="session")
def connect(clouds_yaml: Path) -> Iterator[Callable[[str], Any]]:
    """A connection of the cloud of that name, made once."""
    made: dict[str, Any] = {}
    config = OpenStackConfig(config_files=[str(clouds_yaml)])

    def connection(name: str) -> Any:
        if name not in made:
            made[name] = openstack.connection.Connection(config=config.get_one(name))
        return made[name]

    yield connection
    for item in made.values():
        item.close()


@pytest.fixture
def admin(connect: Callable[[str], Any]) -> Any:
    """An administrator inside the project."""
    return connect("site-a")


@pytest.fixture
def member(connect: Callable[[str], Any]) -> Any:
    """A plain member of the project."""
    return connect("site-a-operator")


@pytest.fixture
def stranger(connect: Callable[[str], Any]) -> Any:
    """A member of another project."""
    return connect("site-a-mallory")


@pytest.fixture
def service(connect: Callable[[str], Any]) -> Any:
    """The product's service user: an administrator outside the project."""
    return connect("site-a-protector")


@pytest.fixture
def unique() -> str:
    """A name nobody else uses."""
    return f"contract-{uuid.uuid4().hex[:8]}"
