"""The lines that `intelligent-pg-failover-crd.sh` and `intelligent-pg-failover.sh` are documented to print, in their documented order.

A Failover that is refused for its lock or for another group's safety prints its refusal and nothing before it, as documented. So the lines of the
beginning are held back until it is clear that it was not refused, or until a person would wonder why nothing is said."""

import enum
from collections.abc import Callable

from siterecovery.kubevirt.crds.failover import Phase
from siterecovery.kubevirt.domain.refusals import Refusal, holder_in, lock_held, recognised
from siterecovery.kubevirt.pgctl.operation import Operation
from siterecovery.workflow.clock import Clock

PATIENCE = 10.0
"""Seconds that lines are held back at most."""
_ABORTED = "[ERROR] Failover aborted — another failover is already in progress for this Protection Group"


class Style(enum.StrEnum):
    CRD = "crd"
    """Says also what is looked at and created."""
    DIRECT = "direct"


class Transcript:
    def __init__(
        self, group: str, target: str, *, force: bool, style: Style, clock: Clock, echo: Callable[[str], None]
    ) -> None:
        """`target`: the name under which the cluster was asked for."""
        self._group, self._target = group, target
        self._force = force
        self._narrates = style is Style.CRD
        self._clock = clock
        self._echo = echo
        self._held: list[str] | None = []
        self._begun = clock.monotonic()
        self._phase = Phase.PENDING
        if force:
            echo("⚠️  WARNING: Force mode enabled - safety checks bypassed")
            echo("⚠️  Using --force can disrupt other Protection Groups")

    def authenticating(self) -> None:
        self._narrate("Validating authentication...")

    def locating(self) -> None:
        self._narrate(f"Detecting VM locations for {self._group}...")

    def creating(self, name: str) -> None:
        self._narrate(f"Creating Failover CR: {name}")
        self._narrate("Monitoring Failover CR status...")
        if self._force:
            self._say(f"[INFO] Removing quorum taints on {self._target} (force mode)...")

    def see(self, operation: Operation) -> None:
        ran = operation.phase is Phase.RUNNING or operation.admitted
        if ran and self._phase is Phase.PENDING:  # also when it was over before it was looked at
            self._reach(Phase.RUNNING)
        if operation.phase.terminal and operation.phase is not self._phase:
            self._end(operation)
        elif operation.admitted or self._clock.monotonic() - self._begun > PATIENCE:
            self.release()

    def _reach(self, phase: Phase) -> None:
        self._phase = phase
        self._say(f"[INFO] Phase: {phase}")

    def _end(self, operation: Operation) -> None:
        refusal = recognised(operation.message)
        if refusal is Refusal.LOCK_HELD:
            self._refused(self._lock_lines(operation.message))
        elif refusal is Refusal.UNSAFE:
            self._refused([*operation.message.splitlines(), "[ERROR] Failover aborted"])
        elif operation.phase is Phase.SUCCEEDED:
            self._reach(operation.phase)
            self.release()
            how = "completed (force mode)" if self._force else "completed successfully"
            self._echo(f"[SUCCESS] Failover of {self._group} to {self._target} {how}")
        else:
            self._reach(operation.phase)
            self.failed(f"Failover of {self._group} to {self._target} failed: {operation.message or 'no reason given'}")
        self._phase = operation.phase

    def _lock_lines(self, message: str) -> list[str]:
        words = lock_held(self._group, holder_in(message) or "another controller")
        return [*f"[ERROR] {words}".splitlines(), _ABORTED]

    def _refused(self, lines: list[str]) -> None:
        """What was held back is not said any more; what was said already stays said."""
        if self._held is not None:
            self._held.clear()
        self.release()
        for line in lines:
            self._echo(line)

    def failed(self, sentence: str) -> None:
        self.release()
        self._echo(f"[ERROR] {sentence}")

    def release(self) -> None:
        """From here on lines are said as they come."""
        held, self._held = self._held, None
        for line in held or ():
            self._echo(line)

    def _narrate(self, sentence: str) -> None:
        if self._narrates:
            self._say(f"[INFO] {sentence}")

    def _say(self, line: str) -> None:
        if self._held is None:
            self._echo(line)
        else:
            self._held.append(line)
