"""The SQL journal: many writes, one commit, each guarded by its operation's fencing epoch.

The guard is `UPDATE operations SET journal_seq = journal_seq + n WHERE id = … AND lease_epoch = …`. It always changes the row, so
"one row matched" means the same on every database; it locks the row until the commit; and on Galera a take-over that was certified first
on another node makes the commit fail, after which the guard is asked again and answers truly.
"""

import collections
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite

from siterecovery.protector.domain.errors import StaleRow
from siterecovery.protector.store.errors import StoreError, StoreUnavailable
from siterecovery.protector.store.session import Session
from siterecovery.protector.store.tables import journal_entries, operations
from siterecovery.workflow.journal import Entry, State, Write
from siterecovery.workflow.step import Fenced

if TYPE_CHECKING:
    from siterecovery.protector.store.sql_store import SqlTransaction

T = TypeVar("T")
_KEY = ("operation_id", "step")
_KEPT = (*_KEY, "seq", "started_at")
"""Columns that a step's later entries leave as the first one set them."""
_OPEN = frozenset({State.STARTED, State.UNDOING})
_PASSING = (StoreUnavailable, StaleRow)
Guard = tuple[str, int]
"""(operation, epoch)"""


class _Spoilt(Exception):
    """A write's changes raised: the transaction they shared with others is given up."""

    def __init__(self, cause: Exception) -> None:
        super().__init__()
        self.cause = cause


class SqlJournal:
    """`run` is the store's: it repeats the work when the database asks for it, so changes may run more than once."""

    def __init__(self, run: Callable[[Callable[["SqlTransaction"], Any]], Any]) -> None:
        self._run = run

    def load(self, operation: str) -> Mapping[str, Entry]:
        found: list[Entry] = self._run(lambda tx: read_entries(tx.session, operation))
        return {entry.step: entry for entry in found}

    def commit(self, writes: Sequence[Write]) -> Sequence[Exception | None]:
        """One transaction for all; when one write cannot be stored, or its changes raise, one for each, so that it spoils nobody else's."""
        try:
            answers: list[Exception | None] = self._run(lambda tx: _together(tx, writes))
        except _PASSING:
            raise
        except (_Spoilt, StoreError) as refusal:
            if len(writes) == 1:
                return [refusal.cause if isinstance(refusal, _Spoilt) else refusal]
            return [self.commit([write])[0] for write in writes]
        return answers


def read_entries(session: Session, operation: str) -> list[Entry]:
    """In the order of their first write."""
    columns = journal_entries.c
    rows = session.rows(sa.select(journal_entries).where(columns.operation_id == operation).order_by(columns.seq))
    return [Entry(row["step"], row["state"], row["value"], row["error"], row["resource_id"]) for row in rows]


def _together(tx: "SqlTransaction", writes: Sequence[Write]) -> list[Exception | None]:
    places = _guard(tx.session, writes)
    tx.hold(*(operation for operation, _ in places))
    answers: list[Exception | None] = []
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    now = tx.session.now_us()
    for write in writes:
        guard = (write.operation, write.epoch)
        if guard not in places:
            answers.append(Fenced(f"operation {write.operation} is no longer owned under epoch {write.epoch}"))
            continue
        _change(tx, write)
        for entry in write.entries:
            row = _row(write, entry, places[guard], now)
            places[guard] += 1
            first = rows.get((write.operation, entry.step), row)
            rows[write.operation, entry.step] = row | {"seq": first["seq"]}
        answers.append(None)
    if rows:
        tx.session.change(_upsert(tx.session.dialect), list(rows.values()))
    return answers


def _guard(session: Session, writes: Sequence[Write]) -> dict[Guard, int]:
    """Locks the operations whose epoch is still the newest; answers for each the number its next entry gets."""
    counts: collections.Counter[Guard] = collections.Counter()
    for write in writes:
        counts[write.operation, write.epoch] += max(1, len(write.entries))
    columns, held = operations.c, {}
    for (operation, epoch), count in sorted(counts.items()):  # in one order everywhere: no deadlock between batches
        statement = operations.update().where(columns.id == operation, columns.lease_epoch == epoch)
        if session.change(statement.values(journal_seq=columns.journal_seq + count)):
            held[operation] = (operation, epoch)
    if not held:
        return {}
    found = session.rows_now(sa.select(columns.id, columns.journal_seq).where(columns.id.in_(held)))
    return {held[row["id"]]: row["journal_seq"] - counts[held[row["id"]]] + 1 for row in found}


def _change(tx: "SqlTransaction", write: Write) -> None:
    try:
        for change in write.changes:
            change(tx)
    except _PASSING:
        raise  # no fault of the write: the whole batch is tried again, or its caller is told
    except Exception as error:
        raise _Spoilt(error) from error  # answered for this write: its writer sees it


def _row(write: Write, entry: Entry, seq: int, now: int) -> dict[str, Any]:
    return {
        "operation_id": write.operation,
        "step": entry.step,
        "seq": seq,
        "state": entry.state,
        "value": entry.value,
        "error": _storable(entry.error),
        "resource_id": _storable(entry.resource_id),
        "lease_epoch": write.epoch,
        "started_at": now,
        "finished_at": None if entry.state in _OPEN else now,
    }


def _storable(text: str | None) -> str | None:
    """What a console or an exception said may hold characters that PostgreSQL (NUL) or UTF-8 (lone surrogates) refuse."""
    return None if text is None else text.replace("\0", "\\0").encode("utf-8", "replace").decode()


@functools.cache
def _upsert(dialect: str) -> sa.Executable:
    changed = [column.name for column in journal_entries.c if column.name not in _KEPT]
    if dialect == "mysql":
        insert = mysql.insert(journal_entries)
        return insert.on_duplicate_key_update({name: insert.inserted[name] for name in changed})
    kind = sqlite.insert if dialect == "sqlite" else postgresql.insert
    conflict = kind(journal_entries)
    return conflict.on_conflict_do_update(index_elements=_KEY, set_={name: conflict.excluded[name] for name in changed})
