"""6. The active site's (epoch, version) is never older than its peer's, and equal when the group says SYNCED."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from sandbox.check.databases import Database, Row
from sandbox.check.picture import Picture


def findings(picture: Picture) -> Iterator[str]:
    """Pairs of databases that both know a group. The older record cannot know that it is, so only the newer one's word is taken."""
    for one, other in combinations(picture.databases.values(), 2):
        for mine in one.rows("protection_groups"):
            theirs = other.one("protection_groups", id=mine["id"])
            if theirs is not None:
                yield from _of_pair(one, mine, other, theirs)


def _of_pair(one: Database, mine: Row, other: Database, theirs: Row) -> Iterator[str]:
    (newer, its), (older, its_peer) = (one, mine), (other, theirs)
    if _stamp(theirs) > _stamp(mine):
        (newer, its), (older, its_peer) = (other, theirs), (one, mine)
    active = newer.site_name(its["current_primary_site_id"])
    if active == older.site and _stamp(its) > _stamp(its_peer):
        yield (
            f"group {mine['name']} ({mine['id']}) is active on {active}, whose record {_told(its_peer)} is older than "
            f"{_told(its)} on {newer.site}"
        )
    if its["remote_sync_status"] == "SYNCED" and _stamp(its) != _stamp(its_peer):
        yield f"{newer.site}: group {its['name']} ({its['id']}) says SYNCED at {_told(its)}, its peer is at {_told(its_peer)}"


def _stamp(row: Row) -> tuple[int, int]:
    return row["failover_epoch"], row["metadata_version"]


def _told(row: Row) -> str:
    return f"(epoch {row['failover_epoch']}, version {row['metadata_version']})"
