"""Which cluster may run a group: the rules of two clusters, as pure functions.

Authority is (`epoch`, `activeCluster`) in the status of every copy of the group: on both workload clusters, and on the quorum cluster where there
is one. The highest epoch counts. It is raised by a failover only; a copy that is behind takes over what it reads. A copy that cannot be read is
unknown: it forbids the first claim, and it forbids the start of VMs that nothing else fences."""

import dataclasses
import enum
from collections.abc import Iterable, Mapping
from typing import Any


@dataclasses.dataclass(frozen=True, order=True)
class Claim:
    epoch: int
    active: str


NOBODY = Claim(0, "")
"""A copy without an epoch, or no copy at all: read, and empty."""


class Verdict(enum.StrEnum):
    HERE = "here"
    ELSEWHERE = "elsewhere"
    SPLIT = "split"
    """Two copies name different clusters under the same epoch: a person must decide."""
    UNCLAIMED = "unclaimed"
    """Nobody has ever held it, and all who could were asked."""
    UNKNOWN = "unknown"
    """Nobody is known to have held it, and it is not for this cluster to be the first, or somebody who might could not be asked."""


@dataclasses.dataclass(frozen=True)
class Authority:
    verdict: Verdict
    claim: Claim
    """The newest that was read."""
    behind: bool = False
    """The own copy has a lower epoch than `claim`: take it over."""
    confirmed: bool = False
    """At least one other copy could be read."""
    silent: tuple[str, ...] = ()
    """Clusters whose copy could not be read."""

    @property
    def may_start(self) -> bool:
        return self.verdict is Verdict.HERE


def claim_of(group: Mapping[str, Any] | None) -> Claim:
    """The claim in a copy of a group; NOBODY where there is none."""
    status = (group or {}).get("status") or {}
    epoch, active = status.get("epoch"), status.get("activeCluster")
    return Claim(int(epoch), str(active)) if epoch and active else NOBODY


def decide(here: str, primary: str, own: Claim, others: Mapping[str, Claim | None]) -> Authority:
    """`others`: the claim in every other cluster's copy; None where it could not be read."""
    silent = tuple(sorted(name for name, claim in others.items() if claim is None))
    read = [claim for claim in others.values() if claim is not None]
    newest = max([own, *read], key=lambda claim: claim.epoch)
    confirmed = bool(read)
    if (
        newest.epoch == 0
    ):  # before the first claim nothing is stopped either: whoever runs somewhere may be all there is
        first = not silent and here == primary
        return Authority(Verdict.UNCLAIMED if first else Verdict.UNKNOWN, Claim(0, primary), False, confirmed, silent)
    if len(_named([own, *read], newest.epoch)) > 1:
        return Authority(Verdict.SPLIT, newest, False, confirmed, silent)
    verdict = Verdict.HERE if newest.active == here else Verdict.ELSEWHERE
    return Authority(verdict, newest, own.epoch < newest.epoch, confirmed, silent)


def _named(claims: Iterable[Claim], epoch: int) -> set[str]:
    return {claim.active for claim in claims if claim.epoch == epoch}
