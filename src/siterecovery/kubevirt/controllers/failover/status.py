"""What people read of a Failover: its phase, its message, how it ended. Pure, but for what a claim writes."""

from collections.abc import Callable, Sequence

from siterecovery.kubevirt.crds.failover import FailoverType, Phase
from siterecovery.kubevirt.domain import times
from siterecovery.kubevirt.domain.resources import Object
from siterecovery.kubevirt.flows.failover import CHECKS
from siterecovery.kubevirt.journal.rows import MOST_CONDITION, cut
from siterecovery.kubevirt.steps.base import Move, Story
from siterecovery.workflow.clock import Clock
from siterecovery.workflow.journal import Entry, State
from siterecovery.workflow.record import Record
from siterecovery.workflow.run import End, Result

Change = Callable[[Object], None]
_DOING = {
    "acquire_lock": "Acquiring the failover lock for {group}",
    "locate_virtual_machines": "Looking where the virtual machines of {group} run",
    "check_split_brain": "Checking {group} for split-brain",
    "check_concurrent_safety": "Checking that no other Protection Group is in the way on {target}",
    "check_replication": "Checking that {target} holds every write of {group}",
    "stop_source": "Stopping {group} on {source}",
    "release_storage": "Waiting until {source} has let go of the disks of {group}",
    "raise_epoch": "Handing the authority over {group} to {target}",
    "promote_storage": "Making sure that the disks of {group} can be opened on {target}",
    "remove_quorum_taints": "Removing quorum taints on {target}",
    "start_target": "Starting {group} on {target}",
    "verify_target": "Verifying that {group} runs on {target} and nowhere else",
    "check_standby": "Checking that {group} is not active on {target}, and not under test",
    "copy_volumes": "Copying the disks of {group} on {target}",
    "create_copies": "Creating copies of the virtual machines of {group} on {target}",
    "start_copies": "Starting the copies of {group} on {target}",
    "remove_copies": "Removing the test of {group} from {target}",
    "release_lock": "Releasing the failover lock for {group}",
}


def doing(move: Move, step: str) -> str:
    return _DOING[step].format(group=move.group, source=move.source, target=move.shown)


def recorder(move: Move, story: Story) -> Callable[..., tuple[Change, ...]]:
    """`workflow.Recorder`: what is written together with the journal's entries. A Failover is Pending until its checks are passed: one that is
    refused never ran."""

    def record(operation: str, seen: Record, *, undoing: bool) -> tuple[Change, ...]:
        current, progress = seen.current, seen.progress

        def change(status: Object) -> None:
            status["progress"] = progress
            if has_begun(status):
                status["phase"] = Phase.RUNNING.value
            if undoing and has_begun(status):
                status["message"] = f"Taking the move of {move.group} back to {move.source}"
            elif current is not None and not undoing:
                status["message"] = doing(move, current)
            story.into(status)

        return (change,)

    return record


def has_begun(status: Object) -> bool:
    """A step that changes something was started."""
    return any(row["name"] not in CHECKS for row in status.get("steps") or ())


def is_begun(entries: Sequence[Entry]) -> bool:
    return any(entry.step not in CHECKS and not entry.step.startswith("#") for entry in entries)


def claimed(status: Object, move: Move, generation: int, clock: Clock) -> Object:
    """The merge patch of a status that makes this process its owner."""
    fresh = {"startedAt": times.stamp(clock.now()), "phase": Phase.PENDING.value} if not status.get("startedAt") else {}
    return {
        "epoch": (status.get("epoch") or 0) + 1,
        "observedGeneration": generation,
        "sourceCluster": move.source,
        "targetCluster": move.target,
        **fresh,
    }


def ended(move: Move, result: Result, rows: Sequence[Entry]) -> tuple[Phase, str]:
    if result.end is End.COMPLETED:
        return Phase.SUCCEEDED, _succeeded(move, result)
    error = result.error or "it failed for an unknown reason"
    if not is_begun(rows):
        return Phase.FAILED, cut(error, MOST_CONDITION)
    if result.end is End.UNDONE:
        back = f"The move was taken back: {move.group} is on {move.source} as before."
        if not move.moves:
            back = f"What the test had made was removed again; {move.group} itself was not touched."
        return Phase.FAILED, cut(f"{_sentence(error)} {back}", MOST_CONDITION)
    return Phase.FAILED, cut(f"{_sentence(error)} {_stuck(move, rows)}", MOST_CONDITION)


def _succeeded(move: Move, result: Result) -> str:
    if move.type is FailoverType.TEST:
        cleanup = f"pgctl cleanup {move.group} --namespace {move.namespace}"
        return f"The test of {move.group} runs on copies on {move.shown}; {move.group} itself goes on. Remove it afterwards: {cleanup}"
    if move.type is FailoverType.CLEANUP:
        return f"The test of {move.group} was removed from {move.shown}"
    located = result.values.get("locate_virtual_machines") or {}
    if located.get("already"):
        return f"{move.group} is already on {move.shown}: nothing was changed"
    how = "completed (force mode)" if move.force else "completed successfully"
    wrong = "; ".join(f"{entry.step}: {entry.error}" for entry in result.failures)
    return f"Failover of {move.group} to {move.shown} {how}" + (f". But {wrong}" if wrong else "")


def _stuck(move: Move, rows: Sequence[Entry]) -> str:
    wrong = "; ".join(f"{entry.step}: {entry.error}" for entry in rows if entry.state is State.UNDO_FAILED)
    if not move.moves:
        return f"Not everything that the test had made could be removed ({wrong}): pgctl cleanup {move.group} --namespace {move.namespace}"
    again = f"pgctl failover {move.group} --to {move.shown} --namespace {move.namespace}"
    if move.type is FailoverType.UNPLANNED:
        again += " --type unplanned --confirm-source-down"
    return (
        f"Not everything could be taken back ({wrong}), so {move.group} is better stopped than running twice. Look where it is: kubectl get"
        f" protectiongroup {move.group} -n {move.namespace} -o wide on both clusters. When the cause is mended, try again: {again}; or back:"
        f" pgctl failover {move.group} --to {move.source} --namespace {move.namespace}"
    )


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
