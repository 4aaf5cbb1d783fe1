"""What people read of a ProtectionRequest: phase, progress of each volume, message. Pure, but for the lock around what threads tell."""

import threading
from collections.abc import Callable, Sequence

from siterecovery.kubevirt.controllers.protection_request.phases import Verb
from siterecovery.kubevirt.crds.protection_request import Phase
from siterecovery.kubevirt.domain import times
from siterecovery.kubevirt.domain.names import PROTECTION
from siterecovery.kubevirt.domain.resources import Object
from siterecovery.kubevirt.flows.protection import CHECKS
from siterecovery.kubevirt.journal.rows import cut
from siterecovery.kubevirt.steps.base import Story
from siterecovery.kubevirt.steps.protection.base import Progress, Work
from siterecovery.workflow.clock import Clock
from siterecovery.workflow.journal import Entry, State
from siterecovery.workflow.record import Record
from siterecovery.workflow.run import End, Result

MOST = 1024
"""Characters of `status.message`."""
Change = Callable[[Object], None]
_PHASES = {
    "plan_protection": Phase.PENDING,
    "stop_virtual_machine": Phase.STOPPING,
    "create_volumes": Phase.CREATING,
    "sync_volumes": Phase.SYNCING,
    "create_frontend_claims": Phase.SWITCHING,
    "switch_claims": Phase.SWITCHING,
    "start_virtual_machine": Phase.STARTING,
}
_DOING = {
    "plan_protection": "Checking {vm} and its claims",
    "check_home": "Checking that {vm} is at home and its claims hold every write",
    "stop_virtual_machine": "Stopping {vm}",
    "create_volumes": "Creating a replicated volume for each claim of {vm}",
    "sync_volumes": "Filling the replicas of {vm}: it is down until they hold everything",
    "create_frontend_claims": "Creating the frontend claims of {vm}",
    "switch_claims": "Pointing {vm} to its frontend claims",
    "start_virtual_machine": "Starting {vm}",
    "restore_claims": "Pointing {vm} to its plain claims",
    "remove_frontend_claims": "Removing the frontend claims of {vm}",
    "remove_volumes": "Removing the replicas of {vm}",
    "forget_plan": "Removing the mark of its protection from {vm}",
}


class VolumeProgress:
    """Fulfils `steps.protection.base.Progress`. `before`: the status as it was found."""

    def __init__(self, before: Object) -> None:
        self._lock = threading.Lock()
        self._rows: list[Object] = list(before.get("volumes") or ())
        self._percent: int | None = before.get("progress")
        self.version = 0
        """Counts up with each change that people should see."""

    def show(self, rows: Sequence[Object], percent: int | None) -> None:
        with self._lock:
            if (list(rows), percent) != (self._rows, self._percent):
                self._rows, self._percent = list(rows), percent
                self.version += 1

    def handles(self) -> list[str]:
        with self._lock:
            return [row["drbdVolume"] for row in self._rows if row.get("drbdVolume")]

    def into(self, status: Object) -> None:
        with self._lock:
            status["volumes"], status["progress"] = list(self._rows) or None, self._percent


def doing(work: Work, step: str) -> str:
    return _DOING[step].format(vm=work.machine)


def recorder(verb: Verb, work: Work, story: Story, progress: Progress) -> Callable[..., tuple[Change, ...]]:
    """`workflow.Recorder`: what is written together with the journal's entries."""

    def record(operation: str, seen: Record, *, undoing: bool) -> tuple[Change, ...]:
        current = seen.current

        def change(status: Object) -> None:
            progress.into(status)
            if undoing:
                status["message"] = f"Taking it back: {work.machine} goes on as it was"
            elif current is not None:
                status["message"] = doing(work, current)
                if verb is Verb.PROTECT and current in _PHASES:
                    status["phase"] = _PHASES[current].value
            story.into(status)

        return (change,)

    return record


def claimed(status: Object, verb: Verb, generation: int, clock: Clock) -> Object:
    """The merge patch of a status that makes this process its owner. A new piece of work begins with an empty journal; the history stays."""
    patch: Object = {"epoch": (status.get("epoch") or 0) + 1, "observedGeneration": generation}
    if status.get("startedAt") and not status.get("completedAt"):
        return patch
    phase = Phase.PENDING if verb is Verb.PROTECT else Phase.UNPROTECTING
    fresh = {"phase": phase.value, "startedAt": times.stamp(clock.now()), "completedAt": None}
    return patch | fresh | {"steps": None, "conditions": None, "message": None}


def ended(verb: Verb, work: Work, result: Result, rows: Sequence[Entry], countermand: str | None) -> tuple[Phase, str]:
    error = _sentence(result.error or "it failed for an unknown reason")
    if result.end is End.COMPLETED:
        return _completed(verb, work, result)
    if result.end is End.STUCK:
        wrong = "; ".join(f"{entry.step}: {entry.error}" for entry in rows if entry.state is State.UNDO_FAILED)
        return Phase.FAILED, cut(f"{error} {_stuck(verb, work, wrong)}", MOST)
    if verb is Verb.PROTECT and countermand and error.startswith("Cancelled"):
        return (
            Phase.UNPROTECTED,
            f"The protection of {work.machine} was taken back before it was complete ({countermand})",
        )
    if all(entry.step in CHECKS or entry.step.startswith("#") for entry in rows):
        return Phase.FAILED, cut(error, MOST)
    back = "runs on its plain claims as before" if verb is Verb.PROTECT else "is under replication as before"
    return Phase.FAILED, cut(f"{error} It was taken back: {work.machine} {back}.", MOST)


def _completed(verb: Verb, work: Work, result: Result) -> tuple[Phase, str]:
    wrong = "; ".join(f"{entry.step}: {entry.error}" for entry in result.failures)
    if verb is Verb.PROTECT:
        kept = "its plain claims are kept under it: do not delete them (see status.volumes)"
        return Phase.PROTECTED, f"{work.machine} is under replication between {work.primary} and {work.dr}; {kept}"
    if not wrong:
        return Phase.UNPROTECTED, f"{work.machine} is on its plain claims again, and its replicas are removed"
    left = f"{work.machine} is on its plain claims again, but not everything could be removed yet: {wrong}. It is tried again"
    return Phase.UNPROTECTING, cut(left, MOST)


def _stuck(verb: Verb, work: Work, wrong: str) -> str:
    again = f"pgctl unprotect {work.machine} --namespace {work.namespace}"
    if verb is Verb.UNPROTECT:
        again = "delete this request and create it anew with desiredState: unprotected"
    return (
        f"Not everything could be taken back ({wrong}). See kubectl describe vm {work.machine} -n {work.namespace} on {work.primary}: what it was"
        f" before is in its annotation {PROTECTION}. When the cause is mended: {again}"
    )


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
