"""Where the checker looks: the control port, both clouds, both arrays, both databases."""

from __future__ import annotations

import configparser
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_SECONDS = 60.0


class CheckError(Exception):
    """The checker could not look; the message says where and why. What could not be seen is never called fine."""


@dataclass(frozen=True)
class Places:
    """`control` is the control port's URL, `databases` are SQLAlchemy URLs by site name.

    The rest is asked of the control port (`GET /world`); `clouds_yaml` and `description` replace its word where given.
    """

    control: str
    clouds_yaml: Path | str | None = None
    databases: Mapping[str, str] = field(default_factory=dict)
    description: Mapping[str, Any] | None = None

    @classmethod
    def of_state(cls, state: Path) -> Places:
        """Those of `sandbox up`: the world's description and each Protector's configuration. CheckError when there is none."""
        file = state / "world.json"
        if not file.exists():
            raise CheckError(f"there is no world in {state}; `sandbox up` makes one, --state names its directory")
        described: dict[str, Any] = json.loads(file.read_text())
        databases = {site: url for site in described["sites"] if (url := _connection(state / site / "protector.conf"))}
        return cls(described["control"], described["clouds_yaml"], databases, described)

    def ask(self, path: str) -> Any:
        """What the control port answers; CheckError when it does not."""
        try:
            with urllib.request.urlopen(self.control + path, timeout=_SECONDS) as answer:
                return json.load(answer)
        except (urllib.error.URLError, OSError, ValueError) as error:
            raise CheckError(f"the world's control port does not answer at {self.control}{path}: {error}") from error

    def world(self) -> Mapping[str, Any]:
        """Sites, arrays and files, as the world describes itself."""
        return self.description if self.description is not None else self.ask("/world")


def _connection(file: Path) -> str | None:
    if not file.exists():
        return None
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.read_string(file.read_text())
    return parser.get("database", "connection", fallback=None)
