"""Our labels on volumes: the only reliable way to find again, after a crash, what is ours.

One namespace. Tags are not copied along with a volume: a copy is ours only once it was tagged itself. How epochs are written is in
`domain.epoch`.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from siterecovery.protector.arrays.flasharray.client import ArrayClient, chunks, quoted

NAMESPACE = "protector.siterecovery"
_BATCH = 30
_LONGEST_KEY, _LONGEST_VALUE = 64, 256


def put(client: ArrayClient, names: Iterable[str], tags: Mapping[str, str]) -> None:
    """Adds and replaces; nothing is sent for nothing."""
    entries = [
        {"namespace": NAMESPACE, "key": key[:_LONGEST_KEY], "value": value[:_LONGEST_VALUE], "copyable": False}
        for key, value in tags.items()
    ]
    for portion in chunks(names):
        for start in range(0, len(entries), _BATCH):
            client.put("PUT", "volumes/tags/batch", entries[start : start + _BATCH], resource_names=portion)


def of(client: ArrayClient, names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Our tags by volume name; every name must exist."""
    found: dict[str, dict[str, str]] = {}
    for portion in chunks(names):
        _collect(client.items("volumes/tags", resource_names=portion, namespaces=NAMESPACE), found)
    return found


def carrying(client: ArrayClient, tags: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Volumes that carry all these tags, destroyed ones too, with all of our tags. The first tag is compared by the array."""
    if not tags:
        found: dict[str, dict[str, str]] = {}
        _collect(client.items("volumes/tags", namespaces=NAMESPACE), found)
        return found
    key, value = next(iter(tags.items()))
    test = f"key={quoted(key)} and value={quoted(value)}"
    named = {item["resource"]["name"] for item in client.items("volumes/tags", namespaces=NAMESPACE, filter=test)}
    return {name: ours for name, ours in of(client, named).items() if tags.items() <= ours.items()}


def _collect(items: Iterable[dict[str, Any]], into: dict[str, dict[str, str]]) -> None:
    for item in items:
        into.setdefault(item["resource"]["name"], {})[item["key"]] = item.get("value") or ""
