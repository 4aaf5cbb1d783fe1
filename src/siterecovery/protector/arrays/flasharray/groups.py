"""Protection groups: at the source what is replicated how often, at the target whether it is let in."""

from collections.abc import Iterable
from typing import Any

from siterecovery.protector.arrays.flasharray import names
from siterecovery.protector.arrays.flasharray.client import ArrayClient, chunks, quoted
from siterecovery.protector.domain.errors import BadRequest, CloudConflict, CloudNotFound, CloudRefused

SHORTEST_INTERVAL = 300
"""Seconds; small models and cloud arrays want 900 and say so themselves."""
RETENTION = {"all_for_sec": 14400, "per_day": 3, "days": 7}
"""What the target keeps of scheduled snapshots: all of four hours, then three a day for a week (as Cinder's own driver)."""
WORKING_LINKS = ("connected", "partially_connected", "unbalanced")


def find(client: ArrayClient, group: str) -> dict[str, Any] | None:
    """The group made on this array, also a destroyed one."""
    found = client.items("protection-groups", filter=f"name={quoted(group)}")
    return next((item for item in found if names.same(item["name"], group)), None)


def alive(client: ArrayClient, group: str) -> dict[str, Any] | None:
    """None when it is absent or destroyed."""
    found = find(client, group)
    return None if found is None or found.get("destroyed") else found


def replica(client: ArrayClient, group: str, source: str | None = None) -> str | None:
    """What the target's array calls the group: `<source array>:<group>`. The source need not be reachable; None until it was announced.

    `source` is the source array's name where it is known. Without it the group's name must be unique among all arrays that replicate
    to this one.
    """
    found = client.items("protection-groups", filter=f"name={quoted(f'*:{group}')}")
    replicas = {item["name"] for item in found if item.get("is_local") is False and not item.get("destroyed")}
    known = {name for name in replicas if source is not None and names.same(name, f"{source}:{group}")}
    candidates = known if source is not None else replicas
    if len(candidates) > 1:
        raise CloudRefused(
            f"Array {client.url}: {', '.join(sorted(candidates))} all replicate a group called {group}.",
            service=client.url,
            remedy="Give the policy a pure_pg_name that no other array uses.",
        )
    return next(iter(candidates), None)


def partner(source: ArrayClient, target: ArrayClient) -> str:
    """The target's name as the source knows it; CloudRefused unless the two are connected."""
    links = source.items("array-connections", filter=f"name={quoted(target.name)}")
    if not links:
        raise CloudRefused(
            f"Array {source.name} has no connection to array {target.name}.",
            service=source.url,
            remedy="Connect the arrays for asynchronous replication (purearray connect).",
        )
    if links[0].get("status") not in WORKING_LINKS:
        raise CloudRefused(
            f"The connection from array {source.name} to {target.name} is {links[0].get('status')}.", service=source.url
        )
    return str(links[0]["name"])


def ensure(client: ArrayClient, group: str, interval: int) -> None:
    """The group is there, with at least our retention at the target and the wanted interval (seconds); its schedule is left as it is."""
    if interval < SHORTEST_INTERVAL:
        raise BadRequest(
            f"A replication interval of {interval} seconds is too short.", remedy=f"Use {SHORTEST_INTERVAL} or more."
        )
    found = find(client, names.check_group(group))
    if found is None:
        found = _create(client, group)
    if found.get("destroyed"):
        found = client.put("PATCH", "protection-groups", {"destroyed": False}, names=[group])[0]
    wanted: dict[str, Any] = {}
    if int((found.get("target_retention") or {}).get("all_for_sec") or 0) != RETENTION["all_for_sec"]:
        wanted["target_retention"] = RETENTION
    if (found.get("replication_schedule") or {}).get("frequency") != interval * 1000:
        wanted["replication_schedule"] = {"frequency": interval * 1000}
    for key, value in wanted.items():
        client.put("PATCH", "protection-groups", {key: value}, names=[group])


def _create(client: ArrayClient, group: str) -> dict[str, Any]:
    try:
        made = client.once("POST", "protection-groups", names=[group])
    except CloudConflict as refused:
        found = find(client, group)
        if found is None:
            raise refused
        return found
    return made[0]


def add_target(client: ArrayClient, group: str, target: str) -> None:
    """No error when it is one already."""
    if any(names.same(item["member"]["name"], target) for item in targets(client, group)):
        return
    try:
        client.put("POST", "protection-groups/targets", group_names=[group], member_names=[target])
    except CloudConflict as refused:
        if "already" not in refused.detail:
            raise


def targets(client: ArrayClient, group: str) -> list[dict[str, Any]]:
    """`{"member": {"name"}, "allowed"}` of each, as this array knows it."""
    return client.items("protection-groups/targets", group_names=[group])


def allowed(client: ArrayClient, group: str, target: str) -> bool:
    """Whether the source has learnt that the target lets it in."""
    return any(
        bool(item.get("allowed")) for item in targets(client, group) if names.same(item["member"]["name"], target)
    )


def allow(client: ArrayClient, replica_name: str, let_in: bool) -> None:
    """Said to the target's array; nothing is sent when it is so already."""
    known = targets(client, replica_name)
    if known and bool(known[0].get("allowed")) is let_in:
        return
    try:
        client.put("PATCH", "protection-groups/targets", {"allowed": let_in}, group_names=[replica_name])
    except CloudConflict as refused:
        if "already" not in refused.detail:
            raise


def members(client: ArrayClient, group: str) -> frozenset[str]:
    """Volume names; none for a group that is not there."""
    try:
        items = client.items("protection-groups/volumes", group_names=[group])
    except CloudNotFound:
        return frozenset()
    return frozenset(item["member"]["name"] for item in items)


def change_members(client: ArrayClient, group: str, add: Iterable[str], remove: Iterable[str]) -> None:
    """Only the difference is sent, so that a repetition costs one look."""
    present = {name.lower() for name in members(client, group)}
    for portion in chunks(name for name in add if name.lower() not in present):
        client.put("POST", "protection-groups/volumes", group_names=[group], member_names=portion)
    for portion in chunks(name for name in remove if name.lower() in present):
        client.put("DELETE", "protection-groups/volumes", group_names=[group], member_names=portion)


def schedule(client: ArrayClient, group: str, enabled: bool) -> None:
    """Switches the array's own clock for this group."""
    client.put("PATCH", "protection-groups", {"replication_schedule": {"enabled": enabled}}, names=[group])


def remove(client: ArrayClient, group: str) -> None:
    """Schedule off, targets and members out, destroyed (recoverable); each part may have been done before."""
    if alive(client, group) is None:
        return
    schedule(client, group, False)
    for target in targets(client, group):
        client.put("DELETE", "protection-groups/targets", group_names=[group], member_names=[target["member"]["name"]])
    change_members(client, group, (), members(client, group))
    client.put("PATCH", "protection-groups", {"destroyed": True}, names=[group])
