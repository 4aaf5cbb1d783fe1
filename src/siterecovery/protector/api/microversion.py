"""Microversions: `OpenStack-API-Version: protector X.Y`.

1.0   the first one, also when the header is missing
1.1   mappings by name; `result_data` in operations
1.2   `steps_failed` as objects, the step names of the monitoring page, details in health
"""

import dataclasses
import re

from siterecovery.protector.api.errors import NotAcceptable
from siterecovery.protector.domain.errors import BadRequest

HEADER = "OpenStack-API-Version"
SERVICE = "protector"
_PATTERN = re.compile(r"(\d+)\.(\d+)")


@dataclasses.dataclass(frozen=True, order=True)
class Microversion:
    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


LOWEST = Microversion(1, 0)
MAPPINGS_BY_NAME = RESULT_DATA = Microversion(1, 1)
STEP_OBJECTS = HEALTH_DETAILS = Microversion(1, 2)
HIGHEST = Microversion(1, 2)


def negotiate(header: str | None) -> Microversion:
    """The version asked for; entries for other services are passed over. BadRequest when unreadable, NotAcceptable when unknown."""
    asked = [part.split() for part in (header or "").split(",") if part.split()[:1] == [SERVICE]]
    if not asked:
        return LOWEST
    wanted = asked[0][1] if len(asked[0]) == 2 else ""
    if wanted == "latest":
        return HIGHEST
    found = _PATTERN.fullmatch(wanted)
    if found is None:
        raise BadRequest(
            f"The header {HEADER} cannot be read.",
            code="microversion.unreadable",
            remedy=f"Send '{HEADER}: {SERVICE} {HIGHEST}'.",
        )
    version = Microversion(int(found[1]), int(found[2]))
    if not LOWEST <= version <= HIGHEST:
        raise NotAcceptable(
            f"Version {version} is not supported.", remedy=f"Ask for one from {LOWEST} to {HIGHEST}, or for 'latest'."
        )
    return version
