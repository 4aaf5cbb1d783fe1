"""The picture of a group from which an operation's flow is built.

Taken in the transaction that accepts the operation and never changed: every engine that takes the operation over builds the same flow. It is
stored as JSON with the operation and holds no secret: drivers read the array tokens from the policy when they need them.
"""

import collections
import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

from siterecovery.protector.domain import codec
from siterecovery.protector.domain.member import Member, Volume, VolumeCopy
from siterecovery.protector.domain.policy import Policy
from siterecovery.protector.domain.protection_group import ProtectionGroup


@dataclasses.dataclass(frozen=True)
class PlannedPolicy:
    """The policy without its tokens. `replication_interval` in seconds, `rpo_minutes` in minutes."""

    primary_fa_url: str
    secondary_fa_url: str
    pure_pg_name: str
    replication_interval: int = 300
    rpo_minutes: int = 15

    @classmethod
    def of(cls, policy: Policy) -> "PlannedPolicy":
        return cls(
            policy.primary_fa_url,
            policy.secondary_fa_url,
            policy.pure_pg_name,
            policy.replication_interval,
            policy.rpo_minutes,
        )


@dataclasses.dataclass(frozen=True)
class PlanConfig:
    """What the operator has configured at the time of acceptance, so that a restart with other settings changes no running operation.

    `cleanup_timeout_seconds` bounds the wait for one deletion.
    """

    retain_source_volumes: bool = False
    cleanup_on_test_failover: bool = True
    cleanup_timeout_seconds: float = 300.0
    cleanup_retry_attempts: int = 3
    allow_hard_stop: bool = False
    test_volume_type: str | None = None


@dataclasses.dataclass(frozen=True)
class Plan:
    """`group` is the group as it was *before* the operation changed its status: what undo returns to.

    `members` are those that can be rebuilt; `network_map` and `flavor_map` go from ids on the source to ids on the target and are complete.
    `source_site_id` and `target_site_id` are the direction of this operation, not the group's labels; both are this site for what moves nothing.
    """

    group: ProtectionGroup
    this_site_id: str
    source_site_id: str
    target_site_id: str
    members: tuple[Member, ...] = ()
    volumes: tuple[Volume, ...] = ()
    copies: tuple[VolumeCopy, ...] = ()
    policy: PlannedPolicy | None = None
    network_map: dict[str, str] = dataclasses.field(default_factory=dict)
    flavor_map: dict[str, str] = dataclasses.field(default_factory=dict)
    request: dict[str, Any] = dataclasses.field(default_factory=dict)
    config: PlanConfig = PlanConfig()

    def volumes_of(self, member_id: str) -> tuple[Volume, ...]:
        return tuple(volume for volume in self.volumes if volume.member_id == member_id)

    @functools.cached_property
    def labels(self) -> Mapping[str, str]:
        """How members and volumes are called in step names: the name, the id where it has none, `name#id8` where it is not unique."""
        return {
            **_labels([(member.id, member.instance_name, member.instance_id) for member in self.members]),
            **_labels([(volume.id, volume.name, volume.volume_id) for volume in self.volumes]),
        }

    @property
    def ip_policy(self) -> str:
        """`keep` or `release`: the request's word, else the group's."""
        return str(self.request.get("ip_policy") or self.group.ip_policy)

    def to_json(self) -> dict[str, Any]:
        data: dict[str, Any] = codec.to_json(self)
        return data

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Plan":
        return codec.from_json(cls, data, lenient=True)


def _labels(things: Sequence[tuple[str, str, str]]) -> dict[str, str]:
    counts = collections.Counter(name for _, name, _ in things)
    return {
        id: (name if counts[name] == 1 else f"{name}#{foreign[:8]}") if name else foreign
        for id, name, foreign in things
    }
