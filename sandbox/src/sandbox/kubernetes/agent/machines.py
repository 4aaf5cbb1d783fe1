"""The machines of the played site: which are powered, which answer, and how long things take on them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields

ALIVE, MUTE, DEAD = "alive", "mute", "dead"
MODES = (ALIVE, MUTE, DEAD)


@dataclass
class Times:
    """Seconds. `write`: between two writes of a guest."""

    boot: float = 0.0
    stop: float = 0.0
    pod: float = 0.0
    write: float = 1.0

    def change(self, wanted: dict[str, float]) -> None:
        """Some of them (ValueError for a name or a number that makes no sense; then none is changed)."""
        known = {field.name for field in fields(self)}
        for name, seconds in wanted.items():
            if name not in known:
                raise ValueError(f"no time is called {name!r}; there are {', '.join(sorted(known))}")
            if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds < 0:
                raise ValueError(f"{name} is given in seconds, 0 or more")
        for name, seconds in wanted.items():
            setattr(self, name, float(seconds))


class Machines:
    """The nodes by name. A mute one goes on working where nobody hears it; a dead one has lost its guests."""

    def __init__(self, names: Iterable[str]) -> None:
        self.modes = dict.fromkeys(names, ALIVE)
        self.times = Times()
        self.boot_failures: dict[str, int] = {}

    def answers(self, node: str | None) -> bool:
        """Whether its kubelet and virt-handler do their work."""
        return self.modes.get(node or "") == ALIVE

    def powered(self, node: str) -> bool:
        """Whether its guests run."""
        return self.modes.get(node) != DEAD

    def check(self, node: str, mode: str) -> None:
        """ValueError for a name or mode there is not."""
        if node not in self.modes:
            raise ValueError(f"there is no node {node!r}; there are {', '.join(self.modes)}")
        if mode not in MODES:
            raise ValueError(f"{mode!r} is none of {', '.join(MODES)}")

    def fails_boot(self, vm: str) -> bool:
        """Whether this boot fails, as was asked for; each asked-for failure happens once."""
        left = self.boot_failures.get(vm, 0)
        if left:
            self.boot_failures[vm] = left - 1
        return left > 0

    def as_json(self) -> dict[str, object]:
        """For the control port."""
        failing = {vm: count for vm, count in self.boot_failures.items() if count}
        return {"nodes": self.modes, "times": asdict(self.times), "boot_failures": failing}
