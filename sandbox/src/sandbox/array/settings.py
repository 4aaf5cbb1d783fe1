"""The knobs of one array: how fast, how strict, how large. All can be turned while it runs, see `control`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# REST 2.12 and 2.18 were never released.
VERSIONS = [f"2.{minor}" for minor in range(27) if minor not in (12, 18)]
GIB = 1 << 30


@dataclass
class Settings:
    """Times in seconds, sizes in bytes.

    `appear_delay` until a group shows on its target, `allow_delay` until the source learns that it may replicate;
    `partial_members_visible` lists the members of a snapshot in transfer (cloning them is refused either way);
    `forbidden_shape` is the body of a 403, `errors` or `message`: real gateways send both;
    `rate_limit` (calls per second, None = no limit) answers 429 above it.
    """

    versions: list[str] = field(default_factory=lambda: list(VERSIONS))
    purity: str = "6.4.10"
    idle_timeout: float = 1800.0
    session_limit: int = 500
    appear_delay: float = 2.0
    allow_delay: float = 1.0
    eradication_delay: float = 86_400.0
    eradication_disabled: bool = False
    partial_members_visible: bool = False
    omit_nulls: bool = False
    page_cap: int = 1000
    rate_limit: int | None = None
    forbidden_shape: str = "errors"
    capacity: int = 100 * 1024 * GIB
    filled: int = 0
    physical_share: float = 0.25

    def change(self, fields: Mapping[str, Any]) -> None:
        """Turn knobs by name; an unknown name or a value of another kind is a ValueError and changes nothing."""
        for key, value in fields.items():
            if key not in self.__dataclass_fields__:
                raise ValueError(f"no setting {key!r}; there are {', '.join(self.__dataclass_fields__)}")
            current = getattr(self, key)
            if key == "rate_limit":
                fits = value is None or (isinstance(value, int) and not isinstance(value, bool))
            elif isinstance(current, float):
                fits = isinstance(value, int | float) and not isinstance(value, bool)
            else:
                fits = type(value) is type(current)
            if not fits:
                raise ValueError(f"setting {key!r} takes a {type(current).__name__}, not {value!r}")
        for key, value in fields.items():
            setattr(self, key, float(value) if isinstance(getattr(self, key), float) else value)
