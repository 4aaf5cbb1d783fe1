"""One simulator and one run of each foreign script per module that asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from contract.array.provision import python
from contract.array.simulator import Simulator, run_script, simulator


@pytest.fixture(scope="module")
def arrays(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """Two linked arrays on the wire."""
    with simulator(tmp_path_factory.mktemp("arrays")) as running:
        yield running


@pytest.fixture(scope="module")
def pure_facts(arrays: Simulator, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What py-pure-client understood of the async scenario."""
    directory = tmp_path_factory.mktemp("pure")
    return run_script(python("pure"), "drive_pure.py", arrays.given(directory / "in.json"), directory / "out.json")


@pytest.fixture(scope="module", params=["cinder-28", "cinder-29"])
def cinder_facts(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What that Cinder's Pure driver answered, and what arrays of its own held after each step."""
    directory = tmp_path_factory.mktemp(request.param)
    with simulator(directory / "arrays") as running:
        given = running.given(directory / "in.json")
        return run_script(python(request.param), "drive_cinder.py", given, directory / "out.json")
