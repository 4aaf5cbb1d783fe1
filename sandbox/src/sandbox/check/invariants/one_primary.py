"""1. Never two running copies of a member outside a test.

Who a guest is stands on its disk (`sandbox.cloud.guests`), so copies of one member are found whatever they are called. In the
ledger, a copy may start beside a running one only where a forced failover could not stop the old one, and said so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import combinations

from sandbox.check.picture import Picture
from sandbox.history import Event


def findings(picture: Picture) -> Iterator[str]:
    """What was, what is, and what both databases say."""
    yield from _was(picture)
    yield from _is(picture)
    yield from _said(picture)


def _was(picture: Picture) -> Iterator[str]:
    running: dict[int, dict[str, Event]] = defaultdict(dict)
    for event in picture.ledger.each("guest"):
        copies = running[event.detail["identity"]]
        if event.event == "stopped":
            copies.pop(event.id, None)
            continue
        if not picture.ledger.is_test(event.id):
            for other in copies.values():
                if other.id != event.id and not _accepted(picture, event, other):
                    yield (
                        f"server {event.id} ({event.name} on {event.site}) was started while its copy {other.id} "
                        f"ran on {other.site}"
                    )
            copies[event.id] = event


def _accepted(picture: Picture, starting: Event, running: Event) -> bool:
    """A forced failover starts the newer copy, and its journal does not claim that it had stopped the older one."""
    ledger = picture.ledger
    if ledger.epoch(starting.id) <= ledger.epoch(running.id):
        return False
    key = ledger.key(starting.id)
    found = picture.operation_of(key)
    if found is None or not found[1]["force"]:
        return False
    database, operation = found
    label = key.removeprefix(f"{operation['id']}/recreate_instances/")
    looks = [database.entries(operation["id"]).get(f"fence_source/{label}{when}") for when in ("", "/again")]
    done = [look["value"] or {} for look in looks if look is not None and look["state"] == "done"]
    return not any(value.get("stopped") for value in done)


def _is(picture: Picture) -> Iterator[str]:
    """A site that is down runs nothing; an old copy that still has to be stopped is a debt."""
    identities = _identities(picture)
    active: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for site in picture.sites.values():
        for server in site.servers:
            known = server.id in identities and not picture.ledger.is_test(server.id)
            if known and server.status == "ACTIVE" and not site.backdoor:
                active[identities[server.id]].append((site.name, server.id))
    owed = {row["resource"] for db in picture.databases.values() for row in db.rows("debts", kind="fence")}
    for copies in active.values():
        for (here, one), (there, other) in combinations(copies, 2):
            if one not in owed and other not in owed:
                yield f"two copies of one member are ACTIVE: {one} on {here} and {other} on {there}"


def _identities(picture: Picture) -> Mapping[str, int]:
    return {event.id: event.detail["identity"] for event in picture.ledger.each("guest", "started")}


def _said(picture: Picture) -> Iterator[str]:
    for one, other in combinations(picture.databases.values(), 2):
        for mine in one.rows("protection_groups"):
            theirs = other.one("protection_groups", id=mine["id"])
            if theirs is None or theirs["failover_epoch"] != mine["failover_epoch"]:
                continue
            if mine["current_primary_site_id"] != theirs["current_primary_site_id"]:
                yield (
                    f"group {mine['name']} ({mine['id']}), epoch {mine['failover_epoch']}: {one.site} says it is active on "
                    f"{one.site_name(mine['current_primary_site_id'])}, {other.site} says on "
                    f"{other.site_name(theirs['current_primary_site_id'])}"
                )
