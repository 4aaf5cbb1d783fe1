"""What every detached world has: a directory that it describes itself in, the processes in it, one `up` or `down` at a time."""

from __future__ import annotations

import contextlib
import fcntl
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from sandbox.processes import ProcessError, Registry


class StateDirectory:
    """`command` begins the words by which a person starts and ends what lives here."""

    command: ClassVar[str] = "sandbox"

    def __init__(self, state: Path) -> None:
        self.state = state.resolve()
        self.registry = Registry(self.state)

    @property
    def description(self) -> dict[str, Any]:
        """What the world said about itself (ProcessError when there is none)."""
        file = self.state / "world.json"
        if not file.exists():
            raise ProcessError(f"there is no world in {self.state}; `{self.command} up` makes one")
        content: dict[str, Any] = json.loads(file.read_text())
        return content

    @property
    def logs(self) -> Path:
        """Where every process writes."""
        return self.registry.logs

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """One `up` or `down` at a time: two would each start what the other has not written down yet."""
        busy = f"another `{self.command} up` or `down` is at work in {self.state}; wait for it"
        with only_one(self.state / "lock", busy):
            yield


@contextlib.contextmanager
def only_one(file: Path, busy: str) -> Iterator[None]:
    """Hold the lock on a file, which the kernel lets go with this process (ProcessError with `busy` while another holds it)."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ProcessError(busy) from error
        yield
