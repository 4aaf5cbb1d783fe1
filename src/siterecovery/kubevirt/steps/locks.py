"""The lock of a group: Lease `failover-lock-<group>`, on the Failover's cluster and on each workload cluster that answers."""

from siterecovery.kubevirt.clusters.leases import LockHeld
from siterecovery.kubevirt.domain import refusals
from siterecovery.kubevirt.steps.base import MoveStep
from siterecovery.workflow.step import Answer, Call, Outcome, Refused


class AcquireLock(MoveStep):
    """Dangerous to leave out: two Failovers of a group in opposite directions would start it twice."""

    def do(self, call: Call) -> Answer:
        try:
            held = self.world.ask(self.world.locks.acquire())
        except LockHeld as error:
            raise Refused(refusals.lock_held(self.move.group, error.holder), resource_id=error.lease) from error
        return Outcome({"clusters": list(held)})

    def undo(self, call: Call) -> Answer | None:
        self.world.ask(self.world.locks.release())
        return Outcome()


class ReleaseLock(MoveStep):
    """What cannot be reached expires by itself."""

    def do(self, call: Call) -> Answer:
        self.world.ask(self.world.locks.release())
        return Outcome()
