"""4. Whatever carries the product's marks belongs to a current record at the right site, or is named with its id."""

from __future__ import annotations

from collections.abc import Iterator

from sandbox.check.arrays import COPY, Array
from sandbox.check.clouds import GROUP, KEY, Server, Site, Volume
from sandbox.check.invariants.belongings import Belongings
from sandbox.check.picture import Picture

GROUP_TAG = "group"
"""The tag on array volumes that the product copied."""
LOCKED = "protector:"
"""How the reasons of the product's locks begin."""
_PASSING = frozenset(
    {"reserved", "attaching", "detaching", "creating", "managing", "unmanaging", "deleting", "updating"}
)


def findings(picture: Picture) -> Iterator[str]:
    """Site by site. Where one database is missing, nobody can say what it keeps or names."""
    if not picture.databases.keys() >= picture.sites.keys():
        return
    for site in picture.sites.values():
        owned = Belongings.of(picture, site.name)
        array = picture.arrays.get(site.name)
        for server in site.servers:
            yield from _server(picture, site, owned, server)
        for volume in site.volumes:
            yield from _volume(picture, site, owned, array, volume)
        yield from _small(picture, site, owned)
        if array is not None:
            yield from _array_volumes(picture, site, owned, array)
            yield from _array_groups(picture, owned, array)
            yield from _snapshots(picture, owned, array)


def _server(picture: Picture, site: Site, owned: Belongings, server: Server) -> Iterator[str]:
    who = f"{site.name}: server {server.id} ({server.name}, {server.status})"
    locked = server.locked and (server.locked_reason or "").startswith(LOCKED)
    if server.id in owned.servers:
        if locked and picture.settled:
            yield f"{who} is a member that runs here, and is still locked: {server.locked_reason}"
        return
    marked = locked or KEY in server.metadata or GROUP in server.metadata
    known = owned.released(server.metadata, server.id) and not locked
    if marked and not (known or owned.kept(server) or picture.named(server.id)):
        yield f"{who} carries the product's marks, belongs to no record and is named nowhere"


def _volume(picture: Picture, site: Site, owned: Belongings, array: Array | None, volume: Volume) -> Iterator[str]:
    who = f"{site.name}: volume {volume.id} ({volume.name})"
    on_array = array.volume(volume.array_volume) if array is not None and volume.array_volume else None
    marked = KEY in volume.metadata or GROUP in volume.metadata or bool(on_array and GROUP_TAG in on_array.tags)
    if not marked and volume.id not in owned.volumes:
        return
    if picture.settled and (volume.status in _PASSING or volume.status.startswith("error")):
        if not picture.named(volume.id):
            yield f"{who} is left {volume.status}"
        return
    known = volume.id in owned.volumes or owned.released(volume.metadata, volume.id)
    if not (known or owned.is_test(volume.metadata) or picture.named(volume.id)):
        yield f"{who} is {volume.status}, belongs to no record and is named nowhere"


def _small(picture: Picture, site: Site, owned: Belongings) -> Iterator[str]:
    """Ports, volume groups, trusts."""
    servers = {server.id for server in site.servers}
    for port in site.ports:
        ours = port.description.startswith(f"{KEY}=") and port.device_id not in servers
        if ours and not picture.named(port.id):
            yield f"{site.name}: port {port.id} ({port.name}) of {port.description} is left without a server"
    for group in site.groups:
        ours = group.description.startswith(f"{KEY}=")
        if ours and group.id not in owned.volume_groups and not picture.named(group.id):
            yield f"{site.name}: volume group {group.id} ({group.name}) belongs to no protection group"
        elif ours and picture.settled and group.status != "available":
            yield f"{site.name}: volume group {group.id} ({group.name}) is {group.status}"
    for trust in site.trusts if site.name in picture.databases else ():
        if trust.id not in owned.trusts:
            yield f"{site.name}: trust {trust.id} of project {trust.project_id} belongs to no delegation"


def _array_volumes(picture: Picture, site: Site, owned: Belongings, array: Array) -> Iterator[str]:
    """Those that no Cinder volume stands for; the others were looked at as Cinder volumes."""
    managed = {volume.array_volume for volume in site.volumes}
    for volume in array.volumes:
        ours = bool(volume.tags) or COPY.match(volume.name) is not None
        if volume.destroyed or not ours or volume.name in managed:
            continue
        known = {volume.id, volume.name} & owned.array_volumes or owned.is_test_operation(volume.tags.get("operation"))
        if not known and not picture.named(volume.id, volume.name):
            yield f"{array.name}: volume {volume.name} ({volume.id}) belongs to no record and is named nowhere"


def _array_groups(picture: Picture, owned: Belongings, array: Array) -> Iterator[str]:
    for group in array.groups:
        ours = group.local and not group.destroyed and owned.replicates(group.name)
        if ours and group.name.lower() not in owned.array_groups and not picture.named(group.name):
            yield f"{array.name}: protection group {group.name} belongs to no epoch that was active here"


def _snapshots(picture: Picture, owned: Belongings, array: Array) -> Iterator[str]:
    """A move that was undone takes its snapshots back; those of completed ones are recovery points."""
    for snapshot in array.snapshots:
        if snapshot.destroyed or not snapshot.suffix.startswith("dr-"):
            continue
        found = owned.operation_of_suffix(snapshot.suffix)
        left = found is None or found["status"] == "failed"
        if left and not picture.named(snapshot.name, snapshot.suffix):
            why = "of no known operation" if found is None else f"of {found['type']} {found['id']}, which was undone"
            yield f"{array.name}: snapshot {snapshot.name} {why}, is still there"
