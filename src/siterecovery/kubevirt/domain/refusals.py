"""The refusals whose words are documented: said once, by whoever refuses, and recognised by whoever tells people.

A Failover that is refused keeps them in its `status.message`; pgctl and its scripts print them and choose an exit code by them."""

import enum
import re
from collections.abc import Sequence

_LOCK = "Failed to acquire failover lock for {group}"
_HOLDER = "Failover lock is held by: {holder}"
_SAFETY = "⚠ SAFETY CHECK: Other Protection Groups have running VMs on {cluster}:"
_UNSAFE = "UNSAFE to remove taints on {cluster} - other Protection Groups have running VMs"
_HARM = "This could cause scheduling issues for those VMs"
_OVERRIDE = "To override this safety check, use --force flag (NOT RECOMMENDED)"


class Refusal(enum.Enum):
    LOCK_HELD = "lock held"
    UNSAFE = "unsafe"
    SPLIT_BRAIN = "split-brain"


_SIGNS = {
    Refusal.LOCK_HELD: "Failed to acquire failover lock",
    Refusal.UNSAFE: "UNSAFE to remove taints",
    Refusal.SPLIT_BRAIN: "split-brain",
}


def lock_held(group: str, holder: str) -> str:
    return "\n".join((_LOCK.format(group=group), _HOLDER.format(holder=holder)))


def unsafe(cluster: str, groups: Sequence[str]) -> str:
    """`cluster` by the name under which it was asked for."""
    listed = (f"    - {group}" for group in groups)
    lines = (_SAFETY.format(cluster=cluster), *listed, _UNSAFE.format(cluster=cluster), _HARM, _OVERRIDE)
    return "\n".join(lines)


def recognised(message: str | None) -> Refusal | None:
    return next((refusal for refusal, sign in _SIGNS.items() if sign in (message or "")), None)


def holder_in(message: str) -> str | None:
    """Who holds the lock, of a message made by `lock_held`."""
    found = re.search(r"held by:? (\S+)", message)
    return found.group(1).rstrip(".,;") if found else None
