"""How an operation's record is kept while it runs, and how it is closed: what becomes of the operation, its group, and what it was about.

All of it are journal changes: they are committed under the lease's epoch, together with the step that caused them.
"""

import dataclasses
import logging
from collections.abc import Callable, Iterable
from typing import Any

from siterecovery.protector.domain.operation import FailedStep, Operation, Report
from siterecovery.protector.domain.plan import Plan
from siterecovery.protector.domain.protection_group import ProtectionGroup
from siterecovery.protector.domain.states import GroupStatus, MemberStatus, OperationStatus, OperationType, PolicyStatus
from siterecovery.protector.store.base import Transaction
from siterecovery.workflow.flow import Flow
from siterecovery.workflow.journal import Entry, State
from siterecovery.workflow.record import Record
from siterecovery.workflow.runner import End, Recorder, Result

LOG = logging.getLogger(__name__)
Change = Callable[[Transaction], None]


class Recording:
    """Progress, current step, completed and failed steps, as they become true."""

    def __init__(self, operation_id: str, flow: Flow) -> None:
        self._operation_id = operation_id
        self._visible = {phase.name for phase in flow.phases}

    def __call__(self, operation: str, record: Record, *, undoing: bool) -> tuple[Change, ...]:
        progress, current = record.progress, record.current
        completed, failed = tuple(record.completed), failed_steps(record.failures.values(), self._visible)
        status = OperationStatus.ROLLING_BACK if undoing else OperationStatus.RUNNING

        report = Report(status, progress, current, completed, failed)
        return (lambda tx: tx.operations.report(self._operation_id, report),)


def failed_steps(entries: Iterable[Entry], visible: set[str]) -> tuple[FailedStep, ...]:
    """As people know the steps: by phase; what has no phase keeps its own name."""
    found: dict[tuple[str, str | None], FailedStep] = {}
    for entry in entries:
        phase = entry.step.partition("/")[0]
        name = phase if phase in visible else entry.step
        error = entry.error or ""
        if entry.state is State.UNDO_FAILED:
            error = f"It could not be undone: {error}"
        found.setdefault((name, entry.resource_id), FailedStep(name, error, entry.resource_id))
    return tuple(found.values())


@dataclasses.dataclass(frozen=True)
class Closing:
    operation: Operation
    plan: Plan
    flow: Flow

    def recorder(self) -> Recorder:
        """Keeps the operation's own record while it runs."""
        return Recording(self.operation.id, self.flow)

    def begun(self) -> Change:
        """An engine works on it (again)."""

        def change(tx: Transaction) -> None:
            known = tx.operations.get(self.operation.id, lock=True, plan=False)
            if known is not None and known.status is OperationStatus.PENDING:
                started = known.started_at or tx.now()
                tx.operations.save(dataclasses.replace(known, status=OperationStatus.RUNNING, started_at=started))

        return change

    def ended(self, result: Result) -> Change:
        """The runner is through. Applied twice it changes nothing more."""
        failed = failed_steps(result.failures, {phase.name for phase in self.flow.phases})

        def change(tx: Transaction) -> None:
            self._close_operation(tx, result, failed)
            group = tx.groups.get(self.operation.group_id, lock=True)
            if group is None:
                return
            if result.end is not End.COMPLETED:
                group = self._after_failure(tx, group, result)
            if group.hold_operation_id == self.operation.id:
                group = dataclasses.replace(group, hold_operation_id=None)
            tx.groups.save(group)

        return change

    def _close_operation(self, tx: Transaction, result: Result, failed: tuple[FailedStep, ...]) -> None:
        known = tx.operations.get(self.operation.id, lock=True, plan=False)
        if known is None:
            return
        done = result.end is End.COMPLETED
        tx.operations.save(
            dataclasses.replace(
                known,
                status=OperationStatus.COMPLETED if done else OperationStatus.FAILED,
                progress=100 if done else known.progress,
                current_step=None,
                error_message=None if done else _sentence(result),
                steps_failed=failed,
                completed_at=known.completed_at or tx.now(),
            )
        )

    def _after_failure(self, tx: Transaction, group: ProtectionGroup, result: Result) -> ProtectionGroup:
        message = _sentence(result)
        type, before = self.operation.type, self.plan.group
        if type is OperationType.ADD_MEMBER:
            self._mark_members(tx, MemberStatus.ADDING, MemberStatus.ERROR, message)
        elif type is OperationType.REMOVE_MEMBER:
            self._mark_members(tx, MemberStatus.REMOVING, MemberStatus.PROTECTED, message)
        elif type is OperationType.APPLY_POLICY:
            policy = tx.policies.get(group.id)
            if policy is not None:
                tx.policies.save(dataclasses.replace(policy, status=PolicyStatus.ERROR, error_message=message))
        if result.end is End.STUCK or type in (OperationType.CREATE_GROUP, OperationType.DELETE_GROUP):
            return dataclasses.replace(group, status=GroupStatus.ERROR, error_message=message)
        if group.status.rests:
            return group
        return dataclasses.replace(group, status=before.status, error_message=before.error_message)

    def _mark_members(self, tx: Transaction, passing: MemberStatus, after: MemberStatus, message: str) -> None:
        for member in tx.members.of_group(self.operation.group_id):
            if member.status is passing:
                tx.members.save(dataclasses.replace(member, status=after, error_message=message))

    def dropped(self, reason: str) -> Change:
        """A newer epoch rules; the group's row is already what that epoch says."""
        result = Result(
            End.UNDONE,
            f"Dropped without undo: {reason} What it had made is named in result_data; its VMs are stopped by the site that rules now.",
            (),
            {},
        )

        def change(tx: Transaction) -> None:
            left = left_by(tx.operations.entries(self.operation.id))
            self._close_operation(tx, result, self._failed_so_far(tx))
            closed = tx.operations.get(self.operation.id, lock=True)
            if closed is not None and left:
                named = {**(closed.result_data or {}), "left_behind": left}
                tx.operations.save(dataclasses.replace(closed, result_data=named))
            group = tx.groups.get(self.operation.group_id, lock=True)
            if group is not None and group.hold_operation_id == self.operation.id:
                tx.groups.save(dataclasses.replace(group, hold_operation_id=None))

        return change

    def _failed_so_far(self, tx: Transaction) -> tuple[FailedStep, ...]:
        known = tx.operations.get(self.operation.id, plan=False)
        return known.steps_failed if known is not None else ()

    @staticmethod
    def unplannable(operation_id: str, detail: str) -> Change:
        """The recovery sweep: a journal that cannot be resumed. The step that was in flight is named."""

        def change(tx: Transaction) -> None:
            known = tx.operations.get(operation_id, lock=True, plan=False)
            if known is None:
                return
            in_flight = [entry.step for entry in tx.operations.entries(operation_id) if entry.state is State.STARTED]
            where = f" In flight: {', '.join(in_flight[:5])}." if in_flight else ""
            closed = dataclasses.replace(
                known, status=OperationStatus.FAILED, error_message=f"{detail}{where}", completed_at=tx.now()
            )
            tx.operations.save(closed)
            group = tx.groups.get(known.group_id, lock=True)
            if group is not None and group.hold_operation_id == operation_id:
                status = group.status if group.status.rests else GroupStatus.ERROR
                tx.groups.save(
                    dataclasses.replace(group, hold_operation_id=None, status=status, error_message=f"{detail}{where}")
                )

        return change


def left_by(entries: Iterable[Entry]) -> dict[str, list[str]]:
    """What an operation's steps have made and not taken back, by kind: ids, and names where a thing has no id that people use."""
    found: dict[str, list[str]] = {}
    for entry in entries:
        value = entry.value if isinstance(entry.value, dict) else {}
        if entry.state is State.UNDONE:
            continue
        for key, kind in _KINDS.get(entry.step.partition("/")[0], ()):
            told = value.get(key, ())
            found.setdefault(kind, []).extend([told] if isinstance(told, str) else told)
    return {kind: names for kind, names in found.items() if names}


_KINDS: dict[str, tuple[tuple[str, str], ...]] = {
    "snapshot_consistency_group": (("name", "snapshots"),),
    "sync_reverse_replication": (("name", "snapshots"),),
    "promote_volumes": (("array_volume_name", "array_volumes"),),
    "manage_volumes_cinder": (("volume_id", "volumes"),),
    "recreate_instances": (("ports", "ports"), ("server_id", "servers")),
}
"""Of which step's value which key tells what it has made."""


def _sentence(result: Result) -> str:
    """The first fatal failure; when something could not be undone, what a person must do."""
    stuck = [entry for entry in result.failures if entry.state is State.UNDO_FAILED]
    said = result.error or next((entry.error for entry in result.failures if entry.error), "It failed.")
    if not stuck:
        return said
    left = "; ".join(f"{entry.step}: {entry.error}" for entry in stuck)
    return f"{said} Could not be undone: {left}. Put that right by hand, then run protection-group reset."


def _unrecorded(operation: str, record: Record, *, undoing: bool) -> tuple[Change, ...]:
    """Each step of a cleanup writes into the cleanup's record itself."""
    return ()


@dataclasses.dataclass(frozen=True)
class SettledClosing(Closing):
    """The operation's outcome stays as it was; only that late calls were looked for is written down."""

    def recorder(self) -> Recorder:
        return _unrecorded

    def begun(self) -> Change:
        return lambda tx: None

    def ended(self, result: Result) -> Change:
        for entry in result.failures:
            LOG.warning(
                "operation %s: what came late could not be removed: %s Remove by hand what carries its id on the target.",
                self.operation.id,
                entry.error,
            )

        def change(tx: Transaction) -> None:
            known = tx.operations.get(self.operation.id, lock=True, plan=False)
            if known is not None:
                tx.operations.save(dataclasses.replace(known, late_calls_settled=self.operation.late_calls))

        return change


@dataclasses.dataclass(frozen=True)
class CleanupClosing(Closing):
    """A cleanup keeps the operation's own outcome: only its cleanup record is opened and closed."""

    def recorder(self) -> Recorder:
        return _unrecorded

    def begun(self) -> Change:
        return lambda tx: None

    def ended(self, result: Result) -> Change:
        errors = {entry.step.rpartition("/")[2]: entry.error or "" for entry in result.failures}

        def change(tx: Transaction) -> None:
            known = tx.operations.get(self.operation.id, lock=True, plan=False)
            if known is None:
                return
            record = _counted(dict(known.cleanup or {}), errors, tx.now())
            left = tuple(dataclasses.replace(f, error=_error_of(record, f)) for f in known.steps_failed)
            closed = dataclasses.replace(known, cleanup_requested=False, cleanup=record, steps_failed=left)
            tx.operations.save(closed)

        return change


def _counted(record: dict[str, Any], errors: dict[str, str], now: str) -> dict[str, Any]:
    entries = [dict(entry) for entry in record.get("entries", ())]
    for number, entry in enumerate(entries):
        if str(number) in errors:
            entry.update(status="failed", error=errors[str(number)])
    states = [entry["status"] for entry in entries]
    return {
        **record,
        "entries": entries,
        "status": "failed" if "failed" in states else "completed",
        "deleted": states.count("done"),
        "skipped": int(record.get("skipped", 0)) + states.count("skipped"),
        "failures": states.count("failed"),
        "completed_at": now,
    }


def _error_of(record: dict[str, Any], failed: FailedStep) -> str:
    """The newest reason why it is still there."""
    return next(
        (e["error"] for e in record["entries"] if e["resource_id"] == failed.resource_id and e["error"]), failed.error
    )
