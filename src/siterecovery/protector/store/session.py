"""One SQL transaction, as the repositories see it.

Each statement sees what is committed at its start, on all three databases (READ COMMITTED). On SQLite that means: reads run on
their own, and the first write or locking read begins a transaction that excludes other writers. So readers never wait, and a
writer never finds out late that it read something old; what it read before is guarded by the rows' revisions.
"""

import datetime
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, CursorResult, RowMapping

from siterecovery.protector.store.columns import MICROSECONDS, now_us
from siterecovery.protector.store.database import LOCK_WAIT
from siterecovery.protector.store.errors import StoreBusy, translated


class Session:
    """`writer` is SQLite's: threads of one process queue there, which is fairer and faster than polling the file's lock."""

    def __init__(self, connection: Connection, writer: "threading.Lock | None") -> None:
        self._connection = connection
        self._writer = writer
        self._writing = False
        self._now: int | None = None

    @property
    def dialect(self) -> str:
        return self._connection.dialect.name

    def rows(self, statement: sa.Executable, *, lock: bool = False) -> Sequence[RowMapping]:
        """`lock`: the statement reads for update."""
        if lock:
            self._begin_writing()
        with translated():
            return self._connection.execute(statement).mappings().all()

    def rows_now(self, statement: sa.Select[Any]) -> Sequence[RowMapping]:
        """The rows, and with them the time that `now_us` would ask for: one round trip less."""
        found = self.rows(statement.add_columns(now_us().label("now_us")))
        if found and self._now is None:
            self._now = int(found[0]["now_us"])
        return found

    def change(
        self, statement: sa.Executable, values: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None
    ) -> int:
        """Runs an insert, update or delete; answers how many rows matched (also when they already were so). Meaningless for many `values`."""
        self._begin_writing()
        with translated():
            result: CursorResult[Any] = self._connection.execute(statement, values)
            return result.rowcount

    def now_us(self) -> int:
        """The database's clock, read once a transaction."""
        if self._now is None:
            with translated():
                self._now = int(self._connection.execute(sa.select(now_us())).scalar_one())
        return self._now

    def commit(self) -> None:
        with translated():
            self._connection.commit()

    def close(self) -> None:
        """Rolls back what was not committed."""
        try:
            with translated():
                self._connection.rollback()
        finally:
            if self._writing and self._writer is not None:
                self._writer.release()
            self._writing = False

    def _begin_writing(self) -> None:
        if self._writing or self._writer is None:
            return
        if not self._writer.acquire(timeout=LOCK_WAIT):
            raise StoreBusy("Another thread has been writing to the database for too long.", remedy="Try again.")
        self._writing = True
        with translated():
            self._connection.exec_driver_sql("BEGIN IMMEDIATE")


def to_text(microseconds: int) -> str:
    """`YYYY-MM-DDTHH:MM:SSZ`, UTC: what records carry."""
    moment = datetime.datetime.fromtimestamp(microseconds // MICROSECONDS, datetime.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def order_us(created_at: str, now: int) -> int:
    """Where a row with this `created_at` stands in listings: its second, refined by the database's clock while that second lasts.

    Rows that are brought in later (from the peer, from a backup) stand at the end of their second.
    """
    try:
        second = int(datetime.datetime.fromisoformat(created_at).timestamp()) * MICROSECONDS
    except ValueError:
        return now
    return max(second, min(now, second + MICROSECONDS - 1))
