"""What an unplanned failover owes the cluster that could not be asked. Written into the target's copy of the group before the first thing is done
that makes it a debt, so that whoever finds the cluster back knows what to stop, and what to restore."""

import dataclasses

from siterecovery.kubevirt.domain import times
from siterecovery.kubevirt.domain.names import FAILOVER_CONTROLLER, OWED_STOP
from siterecovery.kubevirt.domain.resources import PROTECTION_GROUPS, Object
from siterecovery.kubevirt.steps.base import World

STOP = OWED_STOP
RESTORE_QUORUM = "restore-quorum"
MOST = 64


@dataclasses.dataclass(frozen=True)
class Debt:
    cluster: str
    kind: str
    epoch: int
    failover: str

    @classmethod
    def of(cls, wire: Object) -> "Debt":
        return cls(wire["cluster"], wire["kind"], int(wire["epoch"]), wire.get("failover") or "")


def owed(group: Object) -> list[Debt]:
    """What stands in a copy of a group."""
    return [Debt.of(wire) for wire in (group.get("status") or {}).get("debts") or ()]


def without(group: Object, paid: Debt) -> list[Object]:
    """The list when that one is paid."""
    return [wire for wire in (group.get("status") or {}).get("debts") or () if Debt.of(wire) != paid]


async def record(world: World, group: Object, epoch: int) -> None:
    """`group`: the target's copy as it was read. Once per failover, however often it is called."""
    move = world.move
    there = list((group.get("status") or {}).get("debts") or ())
    known = {(debt["cluster"], debt["kind"]) for debt in there}
    now = times.stamp(world.clock.now())
    reasons = {
        STOP: f"stop {move.group} on {move.source} before it is connected again: it was not reachable when authority moved to {move.target}",
        RESTORE_QUORUM: f"switch the quorum of {move.group}'s volumes on again when they are in sync",
    }
    new = [
        {
            "cluster": move.source,
            "kind": kind,
            "epoch": epoch,
            "message": message,
            "recordedAt": now,
            "failover": move.name,
        }
        for kind, message in reasons.items()
        if (move.source, kind) not in known
    ]
    if not new:
        return
    metadata = group["metadata"]
    patch = {
        "metadata": {"resourceVersion": metadata["resourceVersion"]},
        "status": {"debts": [*there, *new][-MOST:]},
    }
    await world.clusters.get(move.target).patch(
        PROTECTION_GROUPS,
        metadata["name"],
        metadata["namespace"],
        patch,
        subresource="status",
        manager=FAILOVER_CONTROLLER,
    )
