"""Failover epochs: who may move a group, and in which order moves happened.

Every operation that can move a group claims the next number in the *target's* database before its first side effect. A claimed number is
never used again, whatever becomes of the operation. Volumes on the arrays carry the epochs they have served in as tags.
"""

import dataclasses
from collections.abc import Mapping

from siterecovery.protector.domain.states import ClaimState


def next_epoch(newest_known: int, *, for_primary: bool) -> int:
    """SITE_NUMBERS: the smallest number above `newest_known` (the greatest epoch, claim or fence anybody told of) with the site's parity: even
    for the group's primary site, odd for the other one, so that two databases that do not reach one another never mint the same."""
    candidate = newest_known + 1
    parity = 0 if for_primary else 1
    return candidate if candidate % 2 == parity else candidate + 1


_TAG = "epoch-"


def epoch_tag(epoch: int) -> dict[str, str]:
    """TAG_MONO: on an array, each epoch is a key of its own, which is never removed. So two writers that race can only add, a late one takes
    nothing back, and the highest counts."""
    return {f"{_TAG}{epoch}": "true"}


def highest_epoch(tags: Mapping[str, str]) -> int:
    """0 when there is none."""
    numbers = (key.removeprefix(_TAG) for key in tags if key.startswith(_TAG))
    return max((int(number) for number in numbers if number.isdigit()), default=0)


@dataclasses.dataclass(frozen=True)
class Claim:
    """The newest claim known to this database, and the newest fence another epoch has set here."""

    epoch: int = 0
    operation_id: str | None = None
    state: ClaimState = ClaimState.NONE
    fence: int = 0


@dataclasses.dataclass(frozen=True)
class Generation:
    """One committed epoch: where it was active, what it came from, how its data is replicated *away* from there.

    `source_group` is the array protection group on the active site's array that replicates this epoch's volumes; on the other
    array its snapshots are listed as `<array>:<source_group>.<suffix>`. `volumes` maps the lineage volume's id (`Volume.id`) to the
    volume's name on the active site's array, which is the member name inside the snapshots, also those of old epochs.
    """

    epoch: int
    parent: int | None
    site_id: str
    operation_id: str | None
    source_group: str | None = None
    volumes: dict[str, str] = dataclasses.field(default_factory=dict)
    committed_at: str = ""
