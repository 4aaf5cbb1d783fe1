"""The picture of a project's servers against a Nova that lists what has changed since a time."""

from collections.abc import Iterable
from typing import Any

from siterecovery.protector.clouds.compute import server_of
from siterecovery.protector.clouds.picture import WHOLE, Picture


class Nova:
    """Servers by id; a deleted one is listed only by what has changed. `asked` is what each list asked for."""

    def __init__(self) -> None:
        self.now = 0.0
        self.servers: dict[str, dict[str, Any]] = {}
        self.asked: list[str | None] = []
        self.told: list[int] = []

    def put(self, id: str, status: str, updated: str) -> None:
        self.servers[id] = {"id": id, "status": status, "updated": updated, "tenant_id": "p1"}

    def list(self, since: str | None) -> Iterable[dict[str, Any]]:
        self.asked.append(since)
        chosen = [
            item
            for item in self.servers.values()
            if (item["status"] != "DELETED" if since is None else item["updated"] >= since)
        ]
        self.told.append(len(chosen))
        return chosen

    def picture(self) -> Picture:
        return Picture(self.list, server_of, lambda: self.now)


def states(picture: Picture, *ids: str) -> dict[str, str]:
    return {server.id: server.status for server in picture.servers(ids)}


def crowd() -> Nova:
    nova = Nova()
    for number in range(100):
        nova.put(f"s{number}", "BUILD", "2026-01-01T10:00:00Z")
    return nova


def test_only_what_has_changed_is_told_again() -> None:
    """The second look asks for changes since the newest time Nova told, less an overlap, and shows new states and new servers."""
    nova = crowd()
    picture = nova.picture()
    assert states(picture, "s1", "s2") == {"s1": "BUILD", "s2": "BUILD"}
    nova.put("s1", "ACTIVE", "2026-01-01T10:00:30Z")
    nova.put("new", "BUILD", "2026-01-01T10:00:30Z")
    states(picture, "s1")
    nova.put("s2", "ERROR", "2026-01-01T10:00:26Z")  # was being written while the newer ones were told
    assert states(picture, "s1", "s2", "new") == {"s1": "ACTIVE", "s2": "ERROR", "new": "BUILD"}
    assert nova.asked == [None, "2026-01-01T09:59:55Z", "2026-01-01T10:00:25Z"]
    assert nova.told[-1] == 3


def test_a_deleted_server_is_gone() -> None:
    """Nova tells a deleted server among the changes: it leaves the picture."""
    nova = crowd()
    picture = nova.picture()
    states(picture, "s1")
    nova.put("s1", "DELETED", "2026-01-01T10:00:10Z")
    assert states(picture, "s1", "s2") == {"s2": "BUILD"}


def test_what_was_purged_is_gone_within_half_a_minute() -> None:
    """A server that leaves Nova without a trace is missed by the changes, and by the next whole list is not there."""
    nova = crowd()
    picture = nova.picture()
    states(picture, "s1")
    del nova.servers["s1"]
    assert states(picture, "s1") == {"s1": "BUILD"}
    nova.now += WHOLE
    assert states(picture, "s1") == {}
    assert nova.asked[-1] is None


def test_an_empty_project_is_always_asked_whole() -> None:
    """Without any server there is no time to ask from."""
    nova = Nova()
    picture = nova.picture()
    assert states(picture, "s1") == {}
    nova.put("s1", "BUILD", "2026-01-01T10:00:00Z")
    assert states(picture, "s1") == {"s1": "BUILD"}
    assert nova.asked == [None, None]
