"""Nova's fake hypervisor, with guests that outlive a restart of nova-compute.

Nova's own fake driver keeps its guests in memory: after a restart every stop and start of an older server fails with
"instance not found", which no real hypervisor does. This one writes them beside Nova's state and reads them when it
starts, so that a site can be lost and come back with its guests as they were. Runs in the services' virtualenv.
"""

import json
import os
from pathlib import Path
from typing import Any

import nova.conf  # type: ignore[import-not-found]
from nova.virt import fake  # type: ignore[import-not-found]


class RememberingDriver(fake.FakeDriverWithoutFakeNodes):  # type: ignore[misc]
    """The fake driver with a stable node identity, and a file of guests: uuid -> name and power state."""

    @property
    def _file(self) -> Path:
        return Path(nova.conf.CONF.state_path) / "guests.json"

    def init_host(self, host: str) -> None:
        """Take up the guests of the run before."""
        super().init_host(host)
        if self._file.exists():
            for uuid, guest in json.loads(self._file.read_text()).items():
                self.instances[uuid] = fake.FakeInstance(guest["name"], guest["state"], uuid)

    def _remember(self) -> None:
        """Replace the file in one go, so that a kill leaves the old or the new one."""
        guests = {uuid: {"name": guest.name, "state": guest.state} for uuid, guest in self.instances.items()}
        draft = self._file.with_suffix(f".{os.getpid()}")
        draft.write_text(json.dumps(guests))
        draft.replace(self._file)

    def spawn(self, *args: Any, **options: Any) -> None:
        """Start a new guest."""
        super().spawn(*args, **options)
        self._remember()

    def power_off(self, *args: Any, **options: Any) -> None:
        """Stop a guest."""
        super().power_off(*args, **options)
        self._remember()

    def power_on(self, *args: Any, **options: Any) -> None:
        """Start a stopped guest."""
        super().power_on(*args, **options)
        self._remember()

    def destroy(self, *args: Any, **options: Any) -> None:
        """Remove a guest."""
        super().destroy(*args, **options)
        self._remember()
