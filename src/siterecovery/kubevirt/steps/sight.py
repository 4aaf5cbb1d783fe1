"""Where a group's VMs run, and who stands in the way of a removal of taints: the rules, as pure functions of what was seen."""

import dataclasses
import datetime
import enum
import json
from collections.abc import Iterable, Mapping

from siterecovery.kubevirt.crds.protection_group import Location
from siterecovery.kubevirt.domain import selectors, times
from siterecovery.kubevirt.domain.resources import Object
from siterecovery.kubevirt.domain.virtual_machine import Observed, Power

PUT_BACK = 7.0
"""Seconds within which the agent has looked again, and put back what was removed while quorum is still lost."""
_AT_REST = frozenset({Power.STOPPED, Power.COMPLETED})
_FINAL = frozenset({"Succeeded", "Failed"})
Key = tuple[str, str]
"""(namespace, name)"""


@dataclasses.dataclass(frozen=True)
class Sight:
    """A group's members on one cluster. `running` have an instance or a launcher, also while they start or stop."""

    running: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    """Why they are unknown."""
    not_halted: tuple[str, ...] = ()
    """Of all members: those that are not proven stopped."""


def sight(seen: Mapping[str, Observed]) -> Sight:
    unknown = [name for name, found in seen.items() if found.power is Power.UNKNOWN]
    return Sight(
        running=tuple(
            name for name, found in seen.items() if found.power not in _AT_REST and found.power is not Power.UNKNOWN
        ),
        unknown=tuple(unknown),
        reasons=tuple(dict.fromkeys(seen[name].reason for name in unknown)),
        not_halted=tuple(name for name, found in seen.items() if not found.halted),
    )


def not_up(seen: Mapping[str, Observed], excluded: Iterable[str]) -> list[str]:
    """Members that should run and do not. `excluded` stay halted; a guest that has gone to rest by itself is up enough."""
    left_out = set(excluded)
    return [
        name
        for name, found in seen.items()
        if name not in left_out and found.power not in (Power.RUNNING, Power.COMPLETED)
    ]


def location(source: str, target: str, on_source: Sight | None, on_target: Sight) -> str:
    """A cluster's name, or `both`, `none`, `unknown`. `on_source` None: it could not be asked.

    One VM here and another one there is `both` as well: a group has one place."""
    here, there = on_target.running, on_source.running if on_source else ()
    if here and there:
        return Location.BOTH.value
    if on_source is None or on_source.unknown or on_target.unknown:
        return Location.UNKNOWN.value
    if here:
        return target
    return source if there else Location.NONE.value


def occupants(own: Key, groups: Iterable[Object], instances: Iterable[Object], vms: Iterable[Object]) -> list[str]:
    """Other groups that have a live instance on the cluster, in any namespace. What a status says is not looked at: it may be stale, and an
    instance whose node is silent may be running."""
    alive = {_key(item) for item in instances if (item.get("status") or {}).get("phase") not in _FINAL}
    machines = list(vms)
    return [
        _told(_key(group), own)
        for group in groups
        if _key(group) != own and any((_key(group)[0], name) in alive for name in member_names(group, machines))
    ]


def member_names(group: Object, vms: Iterable[Object]) -> list[str]:
    """By the spec, or by its selector among `vms`, which may be those of all namespaces."""
    spec, namespace = group["spec"], group["metadata"]["namespace"]
    if spec.get("virtualMachines") is not None:
        return [member["name"] for member in spec["virtualMachines"]]
    wanted = spec.get("vmSelector") or {}
    return sorted(
        vm["metadata"]["name"]
        for vm in vms
        if vm["metadata"]["namespace"] == namespace and selectors.matches(wanted, vm["metadata"].get("labels") or {})
    )


def earlier(own: Object, failovers: Iterable[Object]) -> list[Object]:
    """Other Failovers that a controller has begun before this one and that have not ended. Of two that look at one another only one sees the other,
    so that they never stop each other."""
    return [
        found
        for found in failovers
        if found["metadata"]["uid"] != own["metadata"]["uid"] and _open(found) and _begun(found) < _begun(own)
    ]


class Removal(enum.Enum):
    NONE = "none"
    UNDER_WAY = "under way"
    """It has removed taints, and goes on removing what is put back."""
    JUST_OVER = "just over"
    """It has ended, and the agent has not looked since."""


def removal(failover: Object, now: datetime.datetime) -> Removal:
    """Whether the target's taints are only missing because this Failover has taken them away."""
    status = failover.get("status") or {}
    rows = {row["name"]: json.loads(row.get("result") or "null") for row in status.get("steps") or ()}
    if not (rows.get("remove_quorum_taints") or {}).get("removed"):
        return Removal.NONE
    ended = status.get("completedAt")
    if not ended:
        return Removal.UNDER_WAY
    return Removal.JUST_OVER if (now - times.read(ended)).total_seconds() < PUT_BACK else Removal.NONE


def _begun(failover: Object) -> tuple[str, str]:
    return str((failover.get("status") or {}).get("startedAt")), str(failover["metadata"]["uid"])


def _open(failover: Object) -> bool:
    status = failover.get("status") or {}
    return bool(status.get("startedAt")) and status.get("phase") not in ("Succeeded", "Failed")


def _told(group: Key, own: Key) -> str:
    return group[1] if group[0] == own[0] else f"{group[0]}/{group[1]}"


def _key(obj: Object) -> Key:
    return obj["metadata"].get("namespace") or "", obj["metadata"]["name"]
