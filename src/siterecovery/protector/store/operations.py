"""Operations: what was asked of a group, and the record of what became of it."""

import dataclasses

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from siterecovery.protector.domain.operation import Operation, Report
from siterecovery.protector.domain.states import TERMINAL
from siterecovery.protector.store import tables
from siterecovery.protector.store.journal import read_entries
from siterecovery.protector.store.repository import Versioned
from siterecovery.protector.store.session import Session
from siterecovery.workflow.journal import Entry


class SqlOperations(Versioned[Operation]):
    """Many journal writes of one operation share a transaction, and each of them changes the operation's record: while this transaction has
    the row locked, the record is read once, and written once at the end (`flush`)."""

    table, kind = tables.operations, Operation
    fixed = frozenset({"created_at", "request", "plan"})
    unlisted = frozenset({"plan"})

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._held: set[str] = set()
        self._planless: set[str] = set()
        self._known: dict[str, Operation] = {}
        self._waiting: dict[str, Operation] = {}
        self._reports: dict[str, Report] = {}

    def hold(self, *operation_ids: str) -> None:
        """This transaction has locked these rows."""
        self._held.update(operation_ids)

    def get(self, operation_id: str, *, lock: bool = False, plan: bool = True) -> Operation | None:
        if operation_id in self._held and operation_id in self._known:
            return self._with_plan(operation_id) if plan else self._known[operation_id]
        self._flush_report(operation_id)
        found = self._read(operation_id, lock=lock, plan=plan)
        if found is not None:
            self._known[operation_id] = found
            (self._planless.discard if plan else self._planless.add)(operation_id)
            if lock:
                self._held.add(operation_id)
        return found

    def _read(self, operation_id: str, *, lock: bool, plan: bool) -> Operation | None:
        columns = [column for column in self.table.c if plan or column.name not in self.unlisted]
        statement = sa.select(*columns).where(self.table.c.id == operation_id)
        rows = self._session.rows(statement.with_for_update() if lock else statement, lock=lock)
        return self._value(rows[0]) if rows else None

    def _with_plan(self, operation_id: str) -> Operation:
        """The record as this transaction knows it; a plan that was left out before is read now."""
        known = self._known[operation_id]
        if operation_id in self._planless:
            (row,) = self._session.rows(sa.select(self.table.c.plan).where(self.table.c.id == operation_id))
            known = self._known[operation_id] = dataclasses.replace(known, plan=row["plan"])
            self._planless.discard(operation_id)
        return known

    def add(self, operation: Operation) -> None:
        """Taken when there is one with this id."""
        self._insert(self._row(operation))

    def save(self, operation: Operation) -> None:
        """`request` and `plan` are written by `add` and never change."""
        if operation.id in self._held and operation.id in self._known:
            self._known[operation.id] = self._waiting[operation.id] = operation
        else:
            super().save(operation)

    def report(self, operation_id: str, report: Report) -> None:
        """The last of many in one transaction is written, by one statement that reads nothing: every journal write has one."""
        if operation_id in self._held and operation_id in self._known:
            self.save(report.on(self._known[operation_id]))
        else:
            self._reports[operation_id] = report

    def flush(self) -> None:
        """Writes what waits."""
        for operation_id in list(self._reports):
            self._flush_report(operation_id)
        waiting, self._waiting = self._waiting, {}
        for operation in waiting.values():
            super().save(operation)

    def _flush_report(self, operation_id: str) -> None:
        report = self._reports.pop(operation_id, None)
        if report is None:
            return
        columns = self.table.c
        seen = {field.name: getattr(report, field.name) for field in dataclasses.fields(report)}
        seen["progress"] = sa.case((columns.progress > report.progress, columns.progress), else_=report.progress)
        changes = {**seen, "open": True, "revision": columns.revision + 1}
        self._session.change(self.table.update().where(columns.id == operation_id).values(changes))

    def select(
        self,
        project_id: str,
        *,
        group_id: str | None = None,
        type: str | None = None,
        status: str | None = None,
        internal: bool = False,
        marker: str | None = None,
        limit: int = 100,
    ) -> list[Operation]:
        """An internal `type` that is named is asked for."""
        self.flush()
        columns = self.table.c
        owned = columns.project_id == project_id
        where = [owned]
        if group_id is not None:
            where.append(columns.group_id == group_id)
        if status is not None:
            where.append(columns.status == status)
        if type is not None:
            where.append(columns.type == type)
        elif not internal:
            where.append(columns.internal == sa.false())
        return self._page(*where, marker=marker, limit=limit, owned=owned)

    def of_group(self, group_id: str, *, unfinished: bool = False) -> list[Operation]:
        """Oldest first."""
        self.flush()
        columns = self.table.c
        where = [columns.group_id == group_id]
        if unfinished:
            where.append(columns.status.not_in(TERMINAL))
        return self._all(*where, order=[columns.created_us])

    def entries(self, operation_id: str) -> list[Entry]:
        return read_entries(self._session, operation_id)

    def _row(self, value: Operation) -> dict[str, object]:
        """Whoever closes an operation gives its lease back with the same write."""
        open_ = value.status not in TERMINAL or value.cleanup_requested or value.unsettled
        row = super()._row(value) | {"open": open_, "internal": value.type.internal}
        return row if open_ else row | {"lease_owner": None, "lease_expires_at": None}

    def _insert(self, row: dict[str, object]) -> None:
        super()._insert(row | {"lease_epoch": 0, "journal_seq": 0})

    def _value(self, row: RowMapping) -> Operation:
        self._revisions[row["id"]] = row["revision"]
        return Operation(**{name: row[name] for name in self._fields if name in row})
