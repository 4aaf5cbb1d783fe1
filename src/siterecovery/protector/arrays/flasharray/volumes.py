"""Volumes on one array: look, copy, rename, destroy. Existence is asked by filter, since naming what is absent is an error."""

from collections.abc import Mapping, Sequence
from typing import Any

from siterecovery.protector.arrays.base import ArrayVolume
from siterecovery.protector.arrays.flasharray import names, tags
from siterecovery.protector.arrays.flasharray.client import ArrayClient, chunks, quoted
from siterecovery.protector.domain.errors import CloudConflict, CloudNotFound, CloudRefused


def by_name(client: ArrayClient, name: str) -> ArrayVolume | None:
    """Destroyed ones too: they hold their name for a day."""
    return _one(client, f"name={quoted(name)}")


def by_id(client: ArrayClient, array_volume_id: str) -> ArrayVolume | None:
    """The id survives Cinder's renames."""
    return _one(client, f"id={quoted(array_volume_id)}")


def carrying(client: ArrayClient, wanted: Mapping[str, str]) -> Sequence[ArrayVolume]:
    """Undestroyed volumes with all these tags of ours, by name."""
    tagged = tags.carrying(client, wanted)
    found: list[ArrayVolume] = []
    for portion in chunks(tagged):
        test = f"name=({','.join(map(quoted, portion))})"
        items = client.items("volumes", filter=test, destroyed=False)
        found += [volume_of(item, tagged[item["name"]]) for item in items if item["name"] in tagged]
    return sorted(found, key=lambda volume: volume.name)


def copy_out(client: ArrayClient, source: str, name: str, wanted: Mapping[str, str]) -> ArrayVolume:
    """Tried first and looked at after a refusal: the usual case costs two calls instead of three."""
    names.check_volume(name)
    body = {"source": {"name": source}}
    try:
        made = client.once("POST", "volumes", body, names=[name], with_default_protection=False)
    except CloudConflict as refused:
        return _adopted(client, source, name, wanted, refused)
    tags.put(client, [name], wanted)
    return volume_of(made[0], dict(wanted))


def _adopted(
    client: ArrayClient, source: str, name: str, wanted: Mapping[str, str], refused: CloudConflict
) -> ArrayVolume:
    """Ours: it carries the tags; or it is what a lost call of ours made, an untagged unused copy of the same source."""
    found = by_name(client, name)
    if found is None:
        raise refused
    if found.destroyed:
        raise CloudConflict(
            f"Array {client.url}: the name {name} is still held by a destroyed volume.",
            service=client.url,
            remedy="Wait until the array has eradicated it, or recover it; names are not used twice.",
        ) from refused
    if wanted and wanted.items() <= found.tags.items():
        return found
    unused = not found.tags and not found.connected
    if not (unused and found.source is not None and found.source.lower() in names.origins(source)):
        raise CloudConflict(
            f"Array {client.url}: a volume {name} exists already and is not this operation's.", service=client.url
        ) from refused
    tags.put(client, [name], wanted)
    return volume_of(client.items("volumes", names=[name])[0], dict(wanted))


def snapshot(client: ArrayClient, volume: str, suffix: str) -> str:
    """The snapshot's name, also when it is there already: a suffix belongs to one operation."""
    names.check_suffix(suffix)
    try:
        client.once("POST", "volume-snapshots", {"suffix": suffix}, source_names=[volume])
    except CloudConflict as refused:
        if not client.items("volume-snapshots", filter=f"name={quoted(f'{volume}.{suffix}')}", destroyed=False):
            raise refused
    return f"{volume}.{suffix}"


def rename(client: ArrayClient, name: str, new_name: str) -> None:
    """A rename that was applied and lost its answer is refused the second time: then only the new name exists."""
    names.check_volume(new_name)
    try:
        client.once("PATCH", "volumes", {"name": new_name}, names=[name])
    except CloudNotFound as refused:
        if by_name(client, new_name) is None:
            raise refused


def destroy(client: ArrayClient, name: str) -> None:
    """Destroyed volumes stay recoverable on the array; nothing is eradicated."""
    found = by_name(client, name)
    if found is None or found.destroyed:
        return
    if not found.tags:
        raise CloudRefused(f"Array {client.url}: volume {name} carries no tag of ours.", service=client.url)
    if found.connected:
        raise CloudConflict(f"Array {client.url}: volume {name} is connected to a host.", service=client.url)
    try:
        client.put("PATCH", "volumes", {"destroyed": True}, names=[name])
    except (CloudNotFound, CloudConflict) as refused:
        left = by_name(client, name)
        if left is not None and not left.destroyed:
            raise refused


def volume_of(item: dict[str, Any], ours: Mapping[str, str]) -> ArrayVolume:
    """`size` in bytes, as arrays count."""
    return ArrayVolume(
        id=item["id"],
        name=item["name"],
        size=int(item.get("provisioned") or 0),
        connected=int(item.get("connection_count") or 0) > 0,
        destroyed=bool(item.get("destroyed")),
        source=(item.get("source") or {}).get("name"),
        tags=dict(ours),
    )


def _one(client: ArrayClient, test: str) -> ArrayVolume | None:
    items = client.items("volumes", filter=test)
    if not items:
        return None
    item = items[0]
    try:
        ours = tags.of(client, [item["name"]]).get(item["name"], {})
    except CloudNotFound:  # renamed or eradicated in between: then it is not there under this name
        return None
    except CloudRefused:
        if not item.get("destroyed"):
            raise
        ours = {}  # what is destroyed need not tell its tags
    return volume_of(item, ours)
