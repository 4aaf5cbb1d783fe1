"""The definitions are applied as a person would, once; each test has its namespace, its folder and its played controller."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kubernetes.pgctl.ground import Ground, PlayedController, until
from sandbox.kubernetes.light import LightPlanes
from support.kubernetes.shell import ROOT


@pytest.fixture(scope="session")
def defined_planes(light_planes: LightPlanes) -> LightPlanes:
    for plane in light_planes:
        plane.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "deploy" / "crds"))
        plane.kubectl("wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")
        for kind in ("protectiongroups", "failovers"):  # served a moment after they are established
            until(
                f"{kind} of {plane.name}", lambda plane=plane, kind=kind: plane.kubectl("get", kind, "-A", "-o", "json")
            )
    return light_planes


@pytest.fixture
def ground(defined_planes: LightPlanes, light_namespace: str, tmp_path: Path) -> Ground:
    return Ground(defined_planes, light_namespace, tmp_path)


@pytest.fixture
def controller(ground: Ground) -> Iterator[PlayedController]:
    played = PlayedController(ground)
    played.start()
    try:
        yield played
    finally:
        played.stop()
