"""How to reach arrays: what an operator writes under `[storage]`."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

FLASHARRAY = frozenset({"flasharray", "PureStorageDriver"})
MOCK = frozenset({"mock", "MockStorageDriver"})


@dataclasses.dataclass(frozen=True)
class ArraySettings:
    """Times are seconds. Mappings are by array URL as in the policies.

    `allowed_urls` is the only list of addresses that a tenant's policy can make the service call. `fingerprints` pin an array's
    certificate by SHA-256 (hex, colons allowed) instead of a CA; `array_ids` pin its identity. `rest_ceiling` is the newest REST version that was
    tested; `state_path` holds the mock driver's file.
    """

    driver: str = "flasharray"
    allowed_urls: tuple[str, ...] = ()
    user_agent: str = "protector"
    ca_file: Path | None = None
    verify: bool = True
    fingerprints: Mapping[str, str] = dataclasses.field(default_factory=dict)
    array_ids: Mapping[str, str] = dataclasses.field(default_factory=dict)
    connect_timeout: float = 5.0
    read_timeout: float = 30.0
    rest_ceiling: tuple[int, int] = (2, 44)
    state_path: Path = Path("/var/lib/protector")
