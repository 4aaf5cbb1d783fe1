"""The saved arrays of a fabric, because the databases of a real Cinder outlive a restart of the simulator."""

from __future__ import annotations

import json
import os
from pathlib import Path

from sandbox.array.fabric import Fabric
from sandbox.array.lifecycle import watch_again


def save_fabric(fabric: Fabric, directory: Path) -> None:
    """Write `<array>.json` for each array; a crash leaves the old file or the new one, never half of one."""
    directory.mkdir(parents=True, exist_ok=True)
    for array in fabric.arrays.values():
        partial = directory / f"{array.name}.json.partial"
        partial.write_text(json.dumps(array.dump()))
        os.replace(partial, directory / f"{array.name}.json")


def load_fabric(fabric: Fabric, directory: Path) -> None:
    """Load what is there; the world's clock is moved up to the saved time if it lies ahead."""
    saved = {
        array.name: json.loads(path.read_text())
        for array in fabric.arrays.values()
        if (path := directory / f"{array.name}.json").exists()
    }
    ahead = max((state.get("time", 0.0) for state in saved.values()), default=0.0) - fabric.clock.now()
    if ahead > 0:
        fabric.clock.advance(ahead)
    for name, state in saved.items():
        fabric.arrays[name.lower()].load(state)
    for array in fabric.arrays.values():
        watch_again(array)
        fabric.replication.resume(array)
