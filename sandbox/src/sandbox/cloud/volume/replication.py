"""The Pure driver's start-up with an asynchronous replication device: one replicated group for all replicated volumes.

The handshake waits for the group to appear on the target, so it runs on the clock beside everything else.
"""

from __future__ import annotations

from sandbox.clock import Clock
from sandbox.cloud.volume.driver import REPLICATION_GROUP, Backend, BackendError

_INTERVAL_MILLISECONDS = 3_600_000
_RETENTION = {"all_for_sec": 14_400, "per_day": 3, "days": 7}
_RETRY_SECONDS = 0.5
_RETRIES = 360


def set_up(source: Backend, target: Backend, clock: Clock) -> None:
    """Make `cinder-group` on the source, have the target allow it, and switch the schedule on."""
    source.replicates = True
    named = {"names": REPLICATION_GROUP}
    _tolerant(source, "POST", "/protection-groups", named, None)
    _tolerant(source, "PATCH", "/protection-groups", named, {"target_retention": _RETENTION})
    _tolerant(
        source, "PATCH", "/protection-groups", named, {"replication_schedule": {"frequency": _INTERVAL_MILLISECONDS}}
    )
    members = {"group_names": REPLICATION_GROUP, "member_names": target.array.name}
    _tolerant(source, "POST", "/protection-groups/targets", members, None)
    clock.call_later(0.0, lambda: _allow(source, target, clock, _RETRIES))


def _allow(source: Backend, target: Backend, clock: Clock, tries: int) -> None:
    """Allow on the target once it sees the group, then enable the schedule; a lost array is tried again."""
    remote = f"{source.array.name}:{REPLICATION_GROUP}"
    try:
        target.call("GET", "/protection-groups", {"names": remote})
        _tolerant(target, "PATCH", "/protection-groups/targets", {"group_names": remote}, {"allowed": True})
        enabled = {"replication_schedule": {"enabled": True}}
        source.call("PATCH", "/protection-groups", {"names": REPLICATION_GROUP}, enabled)
    except BackendError:
        if tries > 0:
            clock.call_later(_RETRY_SECONDS, lambda: _allow(source, target, clock, tries - 1))


def _tolerant(backend: Backend, method: str, path: str, query: dict[str, str], body: object) -> None:
    """A call of which only "it is so already" may be refused."""
    try:
        backend.call(method, path, query, body)
    except BackendError as error:
        if "already" not in str(error):
            raise
