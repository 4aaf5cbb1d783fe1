"""Conditions of a status: a list keyed by type, whose times tell when each last changed."""

from __future__ import annotations

import datetime
from collections.abc import Iterable

from sandbox.kubernetes.client import Object


def now(*, micro: bool = False) -> str:
    """The time as Kubernetes writes it; a Lease wants microseconds."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ" if micro else "%Y-%m-%dT%H:%M:%SZ")


def condition(kind: str, status: bool, reason: str = "", message: str = "") -> Object:
    """One condition; reason and message are left out where there are none."""
    told = {"reason": reason, "message": message} if reason else {}
    return {"type": kind, "status": "True" if status else "False", **told}


def merged(status: Object, changes: Iterable[Object], without: Iterable[str] = ()) -> list[Object]:
    """The conditions of `status` with some changed and some gone; one that stays the same keeps its time."""
    found = {item["type"]: item for item in status.get("conditions") or [] if item["type"] not in set(without)}
    for change in changes:
        before = found.get(change["type"], {})
        if any(before.get(key) != value for key, value in change.items()):
            found[change["type"]] = {**change, "lastTransitionTime": now(), "lastProbeTime": None}
    return list(found.values())


def is_true(status: Object, kind: str) -> bool:
    """Whether the condition is there and True."""
    return any(item["type"] == kind and item["status"] == "True" for item in status.get("conditions") or [])
