"""What an array holds. Times are seconds since the epoch, except `created`, which is whole milliseconds as on the wire.

Objects refer to one another by id, because names change. A volume's content is one generation number: snapshots and
copies carry the number of their instant, so a test can tell which point in time came back.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

SCHEDULE_OFF: dict[str, Any] = {"enabled": False, "frequency": 3_600_000, "at": None, "blackout": None}
RETENTION: dict[str, int] = {"all_for_sec": 86_400, "per_day": 4, "days": 7}


def new_id() -> str:
    """An id as arrays give them."""
    return str(uuid.uuid4())


@dataclass
class Thing:
    """Anything with an id and a name that can be destroyed and comes back until its eradication.

    `expires` is when it is eradicated by itself; None while it is not destroyed.
    """

    name: str
    id: str = field(default_factory=new_id, kw_only=True)
    destroyed: bool = field(default=False, kw_only=True)
    expires: float | None = field(default=None, kw_only=True)


@dataclass
class Snapshot(Thing):
    """One volume at one instant; `name` is its suffix, or in a group snapshot the volume's name at that time."""

    volume_id: str
    volume_name: str
    serial: str
    provisioned: int
    created: int
    generation: int


@dataclass
class Tag:
    """A label on a volume; a copyable one goes with its copies."""

    namespace: str
    key: str
    value: str
    copyable: bool


@dataclass
class Volume(Thing):
    """`connections` maps host ids to LUNs; `write_rate` (bytes/s) sizes the deltas that replication sends."""

    serial: str
    provisioned: int
    created: int
    generation: int = 0
    source: dict[str, str] | None = None
    qos: dict[str, Any] = field(default_factory=dict)
    connections: dict[str, int] = field(default_factory=dict)
    tags: list[Tag] = field(default_factory=list)
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    write_rate: float = 1 << 20


@dataclass
class Transfer:
    """The arrival of a group snapshot on its target: `done` of `total` bytes at `since`, moving at `rate` bytes/s."""

    started: float
    total: int
    done: float
    since: float
    rate: float = 0.0
    completed: float | None = None

    def sent(self, now: float) -> float:
        """Bytes that have arrived by `now`; short of the total until the transfer is declared complete."""
        if self.completed is not None:
            return self.total
        return min(self.done + self.rate * (now - self.since), self.total * 0.999)

    def pause(self, now: float) -> None:
        """Stop moving, keeping what has arrived."""
        self.done, self.since, self.rate = self.sent(now), now, 0.0


@dataclass
class GroupSnapshot(Thing):
    """All members at one instant; `name` is the suffix. `reap` says that retention may destroy it."""

    created: int
    reap: bool
    members: dict[str, Snapshot] = field(default_factory=dict)
    transfer: Transfer | None = None

    @property
    def arrived(self) -> bool:
        """Whether its members can be used: always at home, on a target once the transfer is complete."""
        return self.transfer is None or self.transfer.completed is not None


@dataclass
class Session:
    """One snapshot (its id at the source) on its way to one target; urgent ones do not wait behind others.

    `arrival` is the id it has on the target, empty until the transfer started.
    """

    snapshot: str
    urgent: bool
    arrival: str = ""


@dataclass
class Target:
    """A group's view of one target array. `allowed` is what the source knows, a moment behind the truth; `published`
    says that the replica is there, `waiting` that only the link keeps it from appearing.

    `sent` maps volume ids to the creation time (ms) of the newest snapshot that arrived: the base of the next delta.
    """

    array: str
    allowed: bool = False
    published: bool = False
    waiting: bool = False
    queue: list[Session] = field(default_factory=list)
    sent: dict[str, int] = field(default_factory=dict)


@dataclass
class Group(Thing):
    """A protection group, or on a target the replica of one (`source_array` set, `allowed` decided here).

    `members` are volume ids, `targets` and `snapshots` are keyed by lower-case name.
    """

    source_array: str | None = None
    source_group: str | None = None
    allowed: bool = False
    members: list[str] = field(default_factory=list)
    targets: dict[str, Target] = field(default_factory=dict)
    snapshots: dict[str, GroupSnapshot] = field(default_factory=dict)
    replication_schedule: dict[str, Any] = field(default_factory=lambda: dict(SCHEDULE_OFF))
    snapshot_schedule: dict[str, Any] = field(default_factory=lambda: dict(SCHEDULE_OFF))
    source_retention: dict[str, int] = field(default_factory=lambda: dict(RETENTION))
    target_retention: dict[str, int] = field(default_factory=lambda: dict(RETENTION))
    retention_lock: str = "unlocked"
    next_suffix: int = 1

    @property
    def is_local(self) -> bool:
        """Whether the group was made on this array."""
        return self.source_array is None


@dataclass
class Host(Thing):
    """A host and its initiators. `luns` maps volume ids to LUNs: the other side of `Volume.connections`."""

    iqns: list[str] = field(default_factory=list)
    wwns: list[str] = field(default_factory=list)
    nqns: list[str] = field(default_factory=list)
    luns: dict[str, int] = field(default_factory=dict)
    personality: str | None = None
    chap: dict[str, Any] = field(default_factory=dict)


@dataclass
class Pod(Thing):
    """A pod that lives on this array alone; stretching is refused, see `pods`."""

    default_protections: list[str] = field(default_factory=list)


@dataclass
class VolumeGroup(Thing):
    """A volume group; its volumes are those named `vgroup/…`."""

    qos: dict[str, Any] = field(default_factory=dict)
