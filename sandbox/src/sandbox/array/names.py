"""Which names an array accepts (Purity's naming conventions) and how compound names are taken apart.

Compound: `vol.sfx`, `pg.sfx`, `pg.sfx.vol`, `pod::vol`, `vgroup/vol`; on a replication target `arrayA:pg…`.
"""

from __future__ import annotations

import re

from sandbox.array.errors import Refused

_SIMPLE = re.compile(r"(?=.{1,63}\Z)(?=.*[A-Za-z-])[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
_VOLUME = re.compile(r"(?=.{1,63}\Z)(?=.*[A-Za-z_-])[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?")
_BAD_SUFFIX = (
    "Snapshot suffix must be between 1 and 63 characters (alphanumeric and '-') in length and begin and end with a "
    "letter or number. The suffix must include at least one letter or '-'."
)


def check_simple(name: str, what: str) -> None:
    """Names of groups, pods, hosts and volume groups; own wording of the refusal."""
    if not _SIMPLE.fullmatch(name):
        raise Refused(name, f"Invalid {what} name.")


def check_volume(name: str) -> None:
    """A volume's own name (behind pod or volume group) may also hold underscores; own wording of the refusal."""
    if not _VOLUME.fullmatch(base(name)):
        raise Refused(name, "Invalid volume name.")


def check_suffix(suffix: str, context: str | None) -> None:
    """A suffix of ours needs a letter or dash: purely numeric ones belong to the schedule."""
    if not _SIMPLE.fullmatch(suffix):
        raise Refused(context, _BAD_SUFFIX)


def pod_of(name: str) -> str | None:
    """The pod in `pod::vol`."""
    return name.rpartition("::")[0] or None if "::" in name else None


def volume_group_of(name: str) -> str | None:
    """The volume group in `vgroup/vol`."""
    return name.partition("/")[0] if "/" in name else None


def base(name: str) -> str:
    """The last part of `pod::vol` or `vgroup/vol`."""
    return name.rpartition("::")[2].rpartition("/")[2]


def replica_name(array: str, group: str) -> str:
    """What a group is called on its target; a group in a pod shows its pod instead of the array."""
    return group.replace("::", ":") if "::" in group else f"{array}:{group}"
