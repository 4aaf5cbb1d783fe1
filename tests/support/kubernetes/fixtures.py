"""pytest fixtures: real planes for the whole session, a namespace for each test (the package's docstring says how to use them)."""

import contextlib
import os
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from sandbox.kubernetes.access import Access
from sandbox.kubernetes.attached import AttachedWorld
from sandbox.kubernetes.light import LightPlanes
from sandbox.kubernetes.light_world import LightWorld
from sandbox.kubernetes.world import World


@pytest.fixture(scope="session")
def planes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World | AttachedWorld]:
    """Two clusters with KubeVirt and a plain one; those that run in SANDBOX_KUBERNETES, where that is set."""
    running = os.environ.get("SANDBOX_KUBERNETES")
    if running:
        attached = AttachedWorld(Path(running))
        yield attached
        attached.close()
        return
    world = World(tmp_path_factory.mktemp("planes"))
    try:
        world.start()
        yield world
    finally:
        world.stop()


@pytest.fixture
def namespace(planes: World | AttachedWorld) -> Iterator[str]:
    with lent_namespace(planes) as name:
        yield name


@pytest.fixture(scope="session")
def light_planes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LightPlanes]:
    """Three kube-apiservers on one etcd, and nothing else."""
    planes = LightPlanes(tmp_path_factory.mktemp("light-planes"))
    try:
        planes.start()
        yield planes
    finally:
        planes.stop()


@pytest.fixture(scope="session")
def light_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LightWorld]:
    """Real API servers and disks, with KubeVirt and its machines played: for what has to be done hundreds of times."""
    world = LightWorld(tmp_path_factory.mktemp("light-world"))
    try:
        world.start()
        yield world
    finally:
        world.stop()


@pytest.fixture
def light_namespace(light_planes: LightPlanes) -> str:
    """A fresh one on each light plane; left behind, since nothing there would delete it."""
    return fresh_namespace(light_planes)


@contextlib.contextmanager
def lent_namespace(planes: Iterable[Access]) -> Iterator[str]:
    """A fresh one on each plane. Deleted afterwards, without waiting: what is stuck in it is the test's own affair."""
    there = list(planes)
    name = fresh_namespace(there)
    try:
        yield name
    finally:
        for plane in there:
            plane.api.delete(f"/api/v1/namespaces/{name}")


def fresh_namespace(planes: Iterable[Access]) -> str:
    name = f"test-{uuid.uuid4().hex[:8]}"
    for plane in planes:
        plane.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name
