"""Two linked arrays on a clock that stands still until a test moves it."""

from __future__ import annotations

from typing import Any

from sandbox.array.array import Array
from sandbox.array.fabric import Fabric
from sandbox.clock import Clock
from sandbox.faults import Faults

GIB = 1 << 30
START = 1_700_000_000.0


class Pair:
    """array-a at site-a and array-b at site-b, transfers of one second."""

    def __init__(self) -> None:
        self.clock, self.faults = Clock(lambda: START), Faults()
        self.fabric = Fabric(self.clock, self.faults)
        self.a = self.fabric.add("array-a", "site-a")
        self.b = self.fabric.add("array-b", "site-b")
        self.link = self.fabric.connect("array-a", "array-b")

    def volumes(self, *names: str, array: Array | None = None) -> None:
        """Make volumes of one GiB."""
        do(array or self.a, "POST", "/volumes", {"names": ",".join(names)}, {"provisioned": GIB})

    def replicate(self, *members: str, group: str = "pg") -> None:
        """A group on A, allowed on B, schedule off."""
        do(self.a, "POST", "/protection-groups", {"names": group}, {})
        do(self.a, "POST", "/protection-groups/targets", {"group_names": group, "member_names": "array-b"}, {})
        self.clock.advance(2)
        do(self.b, "PATCH", "/protection-groups/targets", {"group_names": f"array-a:{group}"}, {"allowed": True})
        self.clock.advance(1)
        if members:
            query = {"group_names": group, "member_names": ",".join(members)}
            do(self.a, "POST", "/protection-groups/volumes", query, {})

    def send(self, suffix: str, group: str = "pg", **query: str) -> None:
        """Replicate now."""
        asked = {"source_names": group, "replicate_now": "true", **query}
        do(self.a, "POST", "/protection-group-snapshots", asked, {"suffix": suffix})

    def schedule(self, group: str = "pg", **fields: Any) -> None:
        """Change the replication schedule."""
        do(self.a, "PATCH", "/protection-groups", {"names": group}, {"replication_schedule": fields})

    def transfers(self, name: str = "array-a:pg") -> dict[str, dict[str, Any]]:
        """What came in at B, by snapshot name."""
        items = do(self.b, "GET", "/protection-group-snapshots/transfer", {"names": name})
        return {item["name"]: item for item in items}

    def arrived(self, array: Array | None = None) -> list[str]:
        """The living group snapshots of B (or another array), oldest first."""
        items = do(array or self.b, "GET", "/protection-group-snapshots", {"destroyed": "false", "sort": "created"})
        return [item["name"] for item in items]

    def copy(self, source: str, name: str = "copy", array: Array | None = None, **query: str) -> dict[str, Any]:
        """Make a volume from a snapshot or volume."""
        target = array or self.b
        return do(target, "POST", "/volumes", {"names": name, **query}, {"source": {"name": source}})[0]


def do(
    array: Array, method: str, path: str, query: dict[str, str] | None = None, body: Any = None
) -> list[dict[str, Any]]:
    """A call that must be accepted; its items."""
    status, answer = array.call(method, path, query, body)
    assert status == 200, answer
    items: list[dict[str, Any]] = answer.get("items", [])
    return items


def refusal(array: Array, method: str, path: str, query: dict[str, str] | None = None, body: Any = None) -> str:
    """A call that must be refused with 400; all messages of the answer."""
    status, answer = array.call(method, path, query, body)
    assert status == 400, answer
    return "; ".join(error["message"] for error in answer["errors"])


def names(array: Array, path: str, **query: str) -> list[str]:
    """The names a list call gives."""
    return [item["name"] for item in do(array, "GET", path, query)]
