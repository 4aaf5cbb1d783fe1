"""How long things take in a world: the profile a test or benchmark asks for ("a boot takes 8 s and 50 run at once").

All times are seconds of the world's clock. The defaults are quick but not instant, so that every passing state can
be seen by whoever polls.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any


@dataclass(frozen=True)
class Latency:
    """One profile for every cloud of a world; `api_call` is one number, or one per service name (`default` for the rest).

    `transfer` is what one replicated snapshot needs to cross the link when nothing else does.
    """

    api_call: float | Mapping[str, float] = 0.0
    boot: float = 0.4
    boot_concurrency: int = 50
    start: float = 0.2
    stop: float = 0.2
    delete: float = 0.2
    reboot: float = 0.2
    pause: float = 0.05
    volume: float = 0.1
    manage: float = 0.1
    attach: float = 0.1
    detach: float = 0.1
    transfer: float = 1.0

    @classmethod
    def parse(cls, settings: Mapping[str, Any]) -> Latency:
        """Read a profile from a configuration file or the control port; ValueError names what is unknown or negative."""
        return cls().updated(settings)

    def updated(self, settings: Mapping[str, Any]) -> Latency:
        """This profile with some times changed; nothing is changed when any of them is wrong (ValueError)."""
        known = {item.name for item in fields(self)}
        unknown = set(settings) - known
        if unknown:
            raise ValueError(
                f"unknown times {', '.join(sorted(unknown))}; a latency profile has {', '.join(sorted(known))}"
            )
        for name, value in settings.items():
            _check(name, value)
        return replace(self, **settings)

    def of_call(self, service: str) -> float:
        """Seconds one API call to this service takes before it is looked at."""
        if isinstance(self.api_call, Mapping):
            return self.api_call.get(service, self.api_call.get("default", 0.0))
        return self.api_call


def _check(name: str, value: object) -> None:
    numbers = value.values() if isinstance(value, Mapping) else [value]
    if not all(isinstance(number, int | float) and number >= 0 for number in numbers):
        raise ValueError(f"{name} must be 0 or more seconds")
    if name == "boot_concurrency" and not (isinstance(value, int) and value >= 1):
        raise ValueError("boot_concurrency must be a whole number of at least 1")


@dataclass
class Profile:
    """The profile in force, which the control port may exchange while the world runs."""

    current: Latency = field(default_factory=Latency)

    def call(self, service: str) -> Callable[[], float]:
        """What the HTTP middleware of one service asks before each call."""
        return lambda: self.current.of_call(service)
