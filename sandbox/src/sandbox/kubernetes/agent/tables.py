"""What the API server says, kept current by watches."""

from __future__ import annotations

from collections.abc import Callable

from sandbox.kubernetes.client import Object

Changed = Callable[[str, Object], None]


def key_of(item: Object) -> str:
    """namespace/name, or the name of what has no namespace."""
    metadata = item["metadata"]
    return f"{metadata['namespace']}/{metadata['name']}" if metadata.get("namespace") else str(metadata["name"])


class Table:
    """The objects of one kind by key; `changed` is told each key and object that came, changed or went (then as it was last)."""

    def __init__(self, path: str, changed: Changed) -> None:
        self.path = path
        self._changed = changed
        self.items: dict[str, Object] = {}

    def replace(self, items: list[Object]) -> None:
        """A whole list: what is not in it is gone."""
        before, self.items = self.items, {key_of(item): item for item in items}
        for key, item in (before | self.items).items():
            self._changed(key, item)

    def change(self, kind: str, item: Object) -> None:
        """One event of a watch."""
        key = key_of(item)
        if kind == "DELETED":
            self.items.pop(key, None)
        else:
            self.items[key] = item
        self._changed(key, item)

    def put(self, item: Object) -> None:
        """What a write answered: newer than what the watch has told yet, unless the object is gone."""
        if key_of(item) in self.items:
            self.items[key_of(item)] = item
