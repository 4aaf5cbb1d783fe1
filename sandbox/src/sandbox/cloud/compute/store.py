"""Nova's state: servers, flavors, keys, groups, quotas, and the knobs that make builds and stops go wrong."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from sandbox.clock import Clock
from sandbox.cloud.compute.model import Flavor, KeyPair, Server, ServerGroup
from sandbox.cloud.errors import BadRequest, Forbidden
from sandbox.history import Note, unwritten

ZONE = "nova"
QUOTAS: Mapping[str, int] = {
    "instances": 100_000,
    "cores": 1_000_000,
    "ram": 1_000_000_000,
    "metadata_items": 128,
    "key_pairs": 100,
    "server_groups": 1000,
    "server_group_members": 1000,
}
_KEPT_DELETED = 5000


@dataclass
class Knobs:
    """What a test makes Nova do wrong. Names and ids of servers both count; `*` means every server."""

    fail_builds: int = 0
    fail_message: str = "Build of instance aborted: no valid host was found by order of the sandbox."
    endless_builds: set[str] = field(default_factory=set)
    hung_guests: set[str] = field(default_factory=set)
    stuck_deletes: set[str] = field(default_factory=set)

    @staticmethod
    def meant(names: set[str], server: Server) -> bool:
        """Whether a server is in such a set."""
        return bool(names) and bool(names & {server.id, server.name, "*"})


class Compute:
    """Nova of one cloud: one compute host, one zone, any number of servers."""

    def __init__(self, clock: Clock, host: str, note: Note = unwritten) -> None:
        self.clock = clock
        self.note = note
        self.host = host
        self.servers: dict[str, Server] = {}
        self.deleted: deque[Server] = deque(maxlen=_KEPT_DELETED)
        self.flavors: dict[str, Flavor] = {}
        self.keypairs: dict[tuple[str, str], KeyPair] = {}  # user id, name
        self.groups: dict[str, ServerGroup] = {}
        self.quotas: dict[str, dict[str, int]] = {}
        self.service_disabled: dict[str, str] = {}
        self.knobs = Knobs()

    def flavor(self, name_or_id: str) -> Flavor:
        """The flavor of that id; Nova says 400 when a server asks for one that is not there."""
        found = self.flavors.get(name_or_id)
        if found is None:
            raise BadRequest(f"Flavor {name_or_id} could not be found.")
        return found

    def quota(self, project_id: str, name: str) -> int:
        """The limit of one resource; -1 is none."""
        return self.quotas.get(project_id, {}).get(name, QUOTAS.get(name, -1))

    def used(self, project_id: str) -> dict[str, int]:
        """Instances, cores and ram of a project."""
        mine = [item.flavor for item in self.servers.values() if item.project_id == project_id]
        return {"instances": len(mine), "cores": sum(f.vcpus for f in mine), "ram": sum(f.ram for f in mine)}

    def check_quota(self, project_id: str, flavor: Flavor, count: int) -> None:
        """403 in Nova's words when the project has no room."""
        if project_id not in self.quotas:
            return
        used = self.used(project_id)
        wanted = {"instances": count, "cores": count * flavor.vcpus, "ram": count * flavor.ram}
        over = [name for name in wanted if 0 <= self.quota(project_id, name) < used[name] + wanted[name]]
        if over:
            names = ", ".join(over)
            requested = ", ".join(str(wanted[name]) for name in over)
            have = ", ".join(str(used[name]) for name in over)
            allowed = ", ".join(str(self.quota(project_id, name)) for name in over)
            raise Forbidden(
                f"Quota exceeded for {names}: Requested {requested}, but already used {have} of {allowed} {names}"
            )

    def group_of(self, server_id: str) -> ServerGroup | None:
        """The server group a server is in."""
        return next((group for group in self.groups.values() if server_id in group.members), None)
