"""8. The record tells the truth: what it calls done is to be seen, as far as later operations have not moved it on; what failed says why."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from sandbox.check.clouds import Server, Site
from sandbox.check.databases import Database, Row
from sandbox.check.picture import Group, Picture

_MOVES = ("failover", "failback")
_RUNNING_HERE = ("protected", "recovered")
_WORDLESS = ("", "it failed.", "none")


def findings(picture: Picture) -> Iterator[str]:
    """Each operation by itself, the newest move of each group against the world, and each group at rest against the world."""
    for _, operation in picture.operations():
        yield from _words(operation)
    for group in picture.groups.values():
        found = _newest_move(picture, group)
        if found is not None:
            yield from _moved(picture, group, *found)
        if picture.settled and group.row["status"] in ("active", "failed_over", "failed_over_partial"):
            yield from _resting(picture, group)
    for database, operation in picture.operations():
        if (operation["type"], operation["status"]) == ("delete_group", "completed"):
            yield from _deleted(picture, database, operation)


def _words(operation: Row) -> Iterator[str]:
    who = f"{operation['type']} {operation['id']}"
    message = operation["error_message"] or ""
    if operation["status"] == "failed" and message.strip().lower() in _WORDLESS:
        yield f"{who} has failed and does not say why"
    if "Traceback" in message:
        yield f"{who} shows a traceback instead of a sentence"
    if operation["status"] == "completed" and message:
        yield f"{who} is completed and has an error message: {message}"
    for step in operation["steps_failed"]:
        told = f"{who}, failed step {step['step']}"
        if not (step["error"] or "").strip():
            yield f"{told}: it does not say why"
        if operation["status"] == "completed" and step["resource_id"] is None and step["step"].startswith("delete_"):
            yield f"{told}: it does not name what is left"
        if operation["status"] == "completed" and step["step"] in operation["steps_completed"]:
            yield f"{told}: it stands among the completed ones too"


def _newest_move(picture: Picture, group: Group) -> tuple[Database, Row] | None:
    """The one that committed the group's epoch, wherever its record is."""
    generation = group.generation
    found = picture.operations_by_id.get(generation["operation_id"]) if generation is not None else None
    return found if found is not None and found[1]["type"] in _MOVES else None


def _labels(rows: list[Row], name: str, id: str) -> dict[str, Row]:
    """As step names call members and volumes: by name, by id where there is none, `name#id8` where it is not unique."""
    counts = Counter(row[name] for row in rows)
    return {
        (row[name] if counts[row[name]] == 1 else f"{row[name]}#{row[id][:8]}") if row[name] else row[id]: row
        for row in rows
    }


def _moved(picture: Picture, group: Group, database: Database, operation: Row) -> Iterator[str]:
    who, steps = f"{operation['type']} {operation['id']}", set(operation["steps_completed"])
    target = database.site_name(operation["target_site_id"])
    source = picture.sites.get(database.site_name(operation["source_site_id"]))
    if operation["status"] == "failed":
        yield f"{who} is failed, and {group} is in the epoch that it committed"
    if operation["epoch"] != group.row["failover_epoch"]:
        yield f"{who} claims epoch {operation['epoch']}, and committed {group.row['failover_epoch']}"
    if "update_protection_group" in steps and group.active != target:
        yield f"{who} has moved {group} to {target}, whose record says it is active on {group.active}"
    if operation["status"] == "completed" and not operation["result_data"]:
        yield f"{who} is completed without result_data"
    if source is None or source.name == target:
        return
    servers, volumes = {server.id for server in source.servers}, {volume.id for volume in source.volumes}
    for label, member in _labels(operation["plan"]["members"], "instance_name", "instance_id").items():
        if f"delete_source_vm:{label}" in steps and member["instance_id"] in servers:
            yield f"{who} says it has deleted server {member['instance_id']} ({label}), which is still on {source.name}"
    skipped = _superseded(database, operation)
    for label, volume in _labels(operation["plan"]["volumes"], "name", "volume_id").items():
        step = f"delete_source_volume:{label}"
        if step in steps and step not in skipped and volume["volume_id"] in volumes:
            yield f"{who} says it has deleted volume {volume['volume_id']} ({label}), which is still on {source.name}"


def _superseded(database: Database, operation: Row) -> set[str]:
    """Deletions that looked again and left the thing alone, as their journal says."""
    entries = database.entries(operation["id"]).items()
    return {step for step, row in entries if isinstance(row["value"], dict) and "skipped" in row["value"]}


def _resting(picture: Picture, group: Group) -> Iterator[str]:
    """What a group at rest promises: its VMs run where it says, with their volumes, in its volume group and replicated."""
    site = picture.sites.get(group.active)
    if site is None or site.backdoor:
        return
    servers = {server.id: server for server in site.servers}
    disks: dict[str, set[str]] = defaultdict(set)
    for volume in group.rows("volumes"):
        disks[volume["member_id"]].add(volume["volume_id"])
    for member in group.rows("members"):
        if member["status"] in _RUNNING_HERE:
            yield from _member(group, site, member, servers.get(member["instance_id"]), disks[member["id"]])
    present = {volume.id: volume for volume in site.volumes}
    own_group = group.row["cinder_groups"].get(_site_id(group))
    broken = {member["id"] for member in group.rows("members") if member["status"] not in _RUNNING_HERE}
    for volume in group.rows("volumes"):
        seen = present.get(volume["volume_id"])
        if volume["member_id"] in broken:
            continue
        if seen is None:
            yield f"{group}: volume {volume['volume_id']} ({volume['name']}) is not on {site.name}"
        elif own_group is not None and seen.group_id != own_group and not picture.named(own_group, "join_target_group"):
            yield f"{group}: volume {seen.id} ({seen.name}) on {site.name} is not in its volume group {own_group}"
    yield from _replicated(picture, group)


def _site_id(group: Group) -> str:
    return str(group.row["current_primary_site_id"])


def _member(group: Group, site: Site, member: Row, server: Server | None, disks: set[str]) -> Iterator[str]:
    who = f"{group}: member {member['instance_name']} ({member['instance_id']})"
    if server is None:
        yield f"{who} is not on {site.name}"
        return
    if server.status == "ERROR":
        yield f"{who} is in ERROR on {site.name}"
    missing = disks - set(server.volume_ids)
    if missing:
        yield f"{who} runs on {site.name} without volume {', '.join(sorted(missing))}"


def _replicated(picture: Picture, group: Group) -> Iterator[str]:
    """At home with an active policy: the array sends just the group's volumes, on a schedule. Away it does so only once it was asked to."""
    array, generation = picture.arrays.get(group.active), group.generation
    policy = next((row for row in group.rows("policies") if row["status"] == "active"), None)
    if policy is None or array is None or generation is None or group.row["status"] != "active":
        return
    name = generation["source_group"] or policy["pure_pg_name"]
    found = array.group(name)
    if found is None or not found.scheduled:
        if not picture.named("restore_replication"):
            state = "is not there" if found is None else "has no schedule"
            yield f"{group} is active with an active policy, and protection group {name} {state} on {array.name}"
        return
    wanted = {str(row["array_volume_name"]) for row in group.rows("volumes")}
    if found.members != wanted:
        apart = ", ".join(sorted(found.members ^ wanted))
        yield f"{group}: protection group {name} on {array.name} does not hold just its volumes; they differ in {apart}"


def _deleted(picture: Picture, database: Database, operation: Row) -> Iterator[str]:
    who, was = f"delete_group {operation['id']}", operation["plan"]["group"]
    if any(known.one("protection_groups", id=was["id"]) for known in picture.databases.values()):
        yield f"{who} is completed, and group {was['name']} ({was['id']}) still has a record"
    for site_id, id in was["cinder_groups"].items():
        site = picture.sites.get(database.site_name(site_id))
        if site is not None and any(group.id == id for group in site.groups):
            yield f"{who} is completed, and volume group {id} is still on {site.name}"
