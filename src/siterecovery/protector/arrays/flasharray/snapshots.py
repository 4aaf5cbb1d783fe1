"""Group snapshots: taken at the source, used at the target.

A snapshot is listed on the target while it is still on its way, so "newest" is never taken from the list of snapshots: only a transfer that
is completed counts, and its point in time is the source's instant (`created`), not the arrival.
"""

import dataclasses
import datetime
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from siterecovery.protector.arrays.base import RecoveryPoint
from siterecovery.protector.arrays.flasharray import names
from siterecovery.protector.arrays.flasharray.client import ArrayClient, quoted
from siterecovery.protector.domain.errors import CloudConflict, CloudNotFound
from siterecovery.workflow.abreast import abreast


class Members(Mapping[str, str]):
    """Volume name → snapshot, read from the array when first asked: a group may have a hundred recovery points and the newest is nearly always
    the one. Errors of that call surface at the access."""

    def __init__(self, read: Callable[[], dict[str, str]]) -> None:
        self._read = read
        self._found: dict[str, str] | None = None

    def _all(self) -> dict[str, str]:
        if self._found is None:
            self._found = self._read()
        return self._found

    def __getitem__(self, name: str) -> str:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __repr__(self) -> str:
        return f"Members({'not read' if self._found is None else self._found})"


def take(client: ArrayClient, group: str, suffix: str, *, keep: bool, again: bool) -> None:
    """Under a suffix of ours, so that the array refuses a second one, which would be another instant: then the first is looked for. `again`: it
    may have been taken by an earlier call whose answer was lost, and is looked for first."""
    name = f"{group}.{names.check_suffix(suffix)}"
    if again and _standing(client, name):
        return
    try:
        client.once(
            "POST",
            "protection-group-snapshots",
            {"suffix": suffix},
            source_names=[group],
            replicate_now=True,
            apply_retention=not keep,
        )
    except CloudConflict as refused:
        if not _standing(client, name):
            raise refused


def _standing(client: ArrayClient, name: str) -> bool:
    return bool(client.items("protection-group-snapshots", filter=f"name={quoted(name)}", destroyed=False))


def point(client: ArrayClient, replica: str, suffix: str) -> RecoveryPoint | None:
    """The one with this suffix, complete or on its way."""
    name = f"{replica}.{suffix}"
    found = [item for item in _transfers(client, replica, name) if names.same(item["name"], name)]
    if not found or found[0].get("destroyed"):
        return None
    transfer = found[0]
    if not _complete(transfer):
        return _point(client, replica, transfer, {})
    taken, members = abreast(lambda: _taken(client, name), lambda: _members(client, transfer["name"]))
    found_point = _point(client, replica, transfer, {item["name"]: item["created"] for item in taken})
    return dataclasses.replace(found_point, members=members)


def points(client: ArrayClient, replica: str) -> list[RecoveryPoint]:
    """The complete ones, newest instant first."""
    transfers = [item for item in _transfers(client, replica, f"{replica}.*") if _complete(item)]
    created = {item["name"]: item["created"] for item in _taken(client, f"{replica}.*")} if transfers else {}
    standing = [item for item in transfers if item["name"] in created and not item.get("destroyed")]
    standing.sort(key=lambda item: int(created[item["name"]]), reverse=True)
    return [_point(client, replica, item, created) for item in standing]


def destroy(client: ArrayClient, name: str) -> None:
    """No error when it is gone."""
    if not _standing(client, name):
        return
    try:
        client.put("PATCH", "protection-group-snapshots", {"destroyed": True}, names=[name])
    except (CloudNotFound, CloudConflict) as refused:
        if _standing(client, name):
            raise refused


def _transfers(client: ArrayClient, replica: str, pattern: str) -> list[dict[str, Any]]:
    try:
        return client.items("protection-group-snapshots/transfer", names=[replica], filter=f"name={quoted(pattern)}")
    except CloudNotFound:
        return []


def _taken(client: ArrayClient, pattern: str) -> list[dict[str, Any]]:
    return client.items("protection-group-snapshots", filter=f"name={quoted(pattern)}", destroyed=False)


def _complete(transfer: Mapping[str, Any]) -> bool:
    return bool(transfer.get("completed")) and float(transfer.get("progress") or 0) >= 1.0


def _point(client: ArrayClient, replica: str, transfer: Mapping[str, Any], created: Mapping[str, int]) -> RecoveryPoint:
    name = transfer["name"]
    complete = _complete(transfer)
    taken = created.get(name) or transfer.get("started") or 0
    return RecoveryPoint(
        name=name,
        group=replica,
        suffix=name[len(replica) + 1 :],
        taken_at=instant(int(taken)),
        complete=complete,
        progress=float(transfer.get("progress") or 0),
        members=Members(lambda: _members(client, name)) if complete else {},
    )


def _members(client: ArrayClient, snapshot: str) -> dict[str, str]:
    """The volume's name at the time of the snapshot is what follows `<group>.<suffix>.`; it may hold `pod::` or `vgroup/`, never a dot."""
    found = client.items("volume-snapshots", filter=f"name={quoted(f'{snapshot}.*')}", destroyed=False)
    return {item["name"][len(snapshot) + 1 :]: item["name"] for item in found}


def instant(milliseconds: int) -> str:
    """UTC, ISO 8601 with milliseconds: two snapshots of one second stay in order."""
    moment = datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
