"""What came late of an operation that has ended: an engine that lost it, and slept through its end, has woken in the middle of sending a call."""

from siterecovery.protector.domain.states import OperationStatus, OperationType
from siterecovery.protector.steps.base import World
from siterecovery.protector.steps.settling import Settle
from siterecovery.workflow.flow import Flow, Phase, attempt, sequence


def late_calls(world: World, *, taken_back: bool) -> Flow:
    """The same look as at the end of the operation itself, under a name of its own: each time it is asked for, it is done anew. The source's
    servers are left as they are: what was stopped late is put right at rest, by the duties.

    Of an operation that was neither completed nor wholly taken back nobody knows here whether the target has committed it: nothing of it is
    touched, a person looks."""
    name = f"settle_late_calls/{world.operation.late_calls}"
    moved = world.operation.type in (OperationType.FAILOVER, OperationType.FAILBACK)
    completed = world.operation.status is OperationStatus.COMPLETED
    certain = moved and (completed or taken_back)
    body = sequence(*([attempt(Settle(world, name, undone=not completed))] if certain else []))
    return Flow("settle_late_calls", body, (Phase("settle_late_calls"),), reversible=False)
