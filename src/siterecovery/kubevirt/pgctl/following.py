"""Staying with an operation until it ends. The operation does not depend on whoever watches it: a lost connection is waited out."""

from collections.abc import AsyncIterator
from typing import Protocol

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.crds.failover import Phase
from siterecovery.kubevirt.domain.refusals import Refusal, recognised
from siterecovery.kubevirt.domain.resources import FAILOVERS
from siterecovery.kubevirt.pgctl.desk import Desk, warn
from siterecovery.kubevirt.pgctl.errors import Conflict, Failure, Precondition
from siterecovery.kubevirt.pgctl.operation import Operation

EVERY = 0.5
"""Seconds between two looks: what a person calls at once."""
LIMIT = 3600.0
"""Seconds after which nobody waits any longer; the operation goes on."""
PATIENCE = 15.0
"""Seconds that an operation may be left untouched before its watcher is told why that may be."""
_ENDS: dict[Refusal | None, type[Failure]] = {
    Refusal.LOCK_HELD: Conflict,
    Refusal.UNSAFE: Precondition,
    Refusal.SPLIT_BRAIN: Precondition,
}


class View(Protocol):
    """Who tells a person. Sees each look, changed or not."""

    def see(self, operation: Operation) -> None: ...


async def followed(desk: Desk, operation: Operation, view: View, limit: float) -> Operation:
    """Its last state, which is terminal. Failure when `limit` seconds have passed."""
    async for seen in _looks(desk, operation, limit):
        view.see(seen)
        if seen.phase.terminal:
            return seen
    raise Failure(
        f"{operation.name} is not over after {limit:g} s. It goes on: pgctl operations watch {operation.name}"
        f" --namespace {operation.namespace}"
    )


async def _looks(desk: Desk, operation: Operation, limit: float) -> AsyncIterator[Operation]:
    begun = desk.clock.monotonic()
    cluster = desk.cluster(operation.site)
    silent = hinted = False
    while desk.clock.monotonic() - begun < limit:
        try:
            wire = await cluster.get(FAILOVERS, operation.name, operation.namespace)
        except base.NotFound as error:
            raise Failure(f"{operation.name} has been deleted: nobody can say any more how it ended") from error
        except base.Unknown as error:
            if not silent:
                warn(f"{error}; asking again, the operation goes on")
            silent = True
        else:
            silent = False
            seen = Operation(operation.site, wire)
            yield seen
            if not hinted and seen.phase is Phase.PENDING and desk.clock.monotonic() - begun > PATIENCE:
                warn(_why_pending(seen))
                hinted = True
        await desk.clock.sleep(EVERY)


def _why_pending(operation: Operation) -> str:
    if operation.message:
        return operation.message
    return (
        f"no controller has touched {operation.name} yet: see whether one runs on {operation.site.name} with"
        " kubectl get pods -n site-recovery -l app=failover-controller"
    )


def failure_of(operation: Operation) -> Failure | None:
    """How an ended operation ends the command that waited for it."""
    if operation.phase is not Phase.FAILED:
        return None
    kind = _ENDS.get(recognised(operation.message), Failure)
    return kind(operation.message or f"{operation.name} failed and does not say why: pgctl operations get it")


def concluded(operation: Operation) -> None:
    if failure := failure_of(operation):
        raise failure
