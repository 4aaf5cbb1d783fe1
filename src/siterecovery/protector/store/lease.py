"""Leases in the operations' own rows, by the database's clock.

An operation is free when nobody owns it (new, or handed over) or when its lease ran out. Whoever takes it bumps its epoch with a
compare-and-swap. Taking it from an owner that had not handed it over is remembered (`lease_taken_over_at`): for `drain` seconds from
then a call of that owner may still arrive, also for whoever comes third.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from siterecovery.protector.store.columns import MICROSECONDS, now_us
from siterecovery.protector.store.session import Session
from siterecovery.protector.store.tables import operations
from siterecovery.workflow.lease import Lease

if TYPE_CHECKING:
    from siterecovery.protector.store.sql_store import SqlTransaction

_COLUMNS = operations.c
_EXPIRED = sa.and_(_COLUMNS.lease_owner.is_not(None), _COLUMNS.lease_expires_at < now_us())
_FREE = sa.and_(_COLUMNS.open == sa.true(), sa.or_(_COLUMNS.lease_owner.is_(None), _EXPIRED))


class SqlLeases:
    """`ttl` and `drain` in seconds."""

    def __init__(self, run: Callable[[Callable[["SqlTransaction"], Any]], Any], ttl: float, drain: float) -> None:
        self._run = run
        self._ttl = ttl
        self._drain = drain

    def claim(self, owner: str, limit: int) -> Sequence[Lease]:
        """Oldest first. Finished operations are free only while a clean-up is asked of them."""
        leases: list[Lease] = self._run(lambda tx: self._claim(tx.session, owner, limit)) if limit > 0 else []
        return leases

    def renew(self, leases: Iterable[Lease]) -> Sequence[Lease]:
        """A lease that ran out, but that nobody took, is still held."""
        wanted = sorted(leases, key=lambda lease: lease.operation)
        held: list[Lease] = self._run(lambda tx: self._renew(tx.session, wanted)) if wanted else []
        return held

    def release(self, lease: Lease) -> None:
        """Changes nothing when the lease is lost."""
        free = operations.update().where(*_is(lease)).values(lease_owner=None, lease_expires_at=None)
        self._run(lambda tx: tx.session.change(free))

    def calls_are_back(self, operation: str) -> None:
        """Opens the operation again if it has ended."""
        late = {"late_calls": _COLUMNS.late_calls + 1, "open": True, "revision": _COLUMNS.revision + 1}
        self._run(lambda tx: tx.session.change(operations.update().where(_COLUMNS.id == operation).values(late)))

    def _claim(self, session: Session, owner: str, limit: int) -> list[Lease]:
        candidates = (
            sa.select(_COLUMNS.id, _COLUMNS.lease_epoch, _COLUMNS.lease_owner, _COLUMNS.lease_taken_over_at)
            .where(_FREE)
            .order_by(_COLUMNS.created_us, _COLUMNS.id)
            .limit(limit)
        )
        if not session.rows(candidates.limit(1)):  # an idle engine locks nothing
            return []
        # SKIP LOCKED: engines that ask together get different ones. It is no protection, the compare-and-swap is.
        rows = session.rows(candidates.with_for_update(skip_locked=True), lock=True)
        taken = [self._take(session, owner, row) for row in rows]
        return [lease for lease in taken if lease is not None]

    def _take(self, session: Session, owner: str, row: RowMapping) -> Lease | None:
        changes: dict[str, Any] = {
            "lease_owner": owner,
            "lease_epoch": row["lease_epoch"] + 1,
            "lease_expires_at": now_us() + self._ttl_us,
        }
        left = self._drain_left(session, row["lease_taken_over_at"])
        if row["lease_owner"] is not None:
            changes["lease_taken_over_at"] = now_us()
            left = self._drain
        seen = (_COLUMNS.id == row["id"], _COLUMNS.lease_epoch == row["lease_epoch"], _FREE)
        if not session.change(operations.update().where(*seen).values(changes)):
            return None
        return Lease(row["id"], owner, row["lease_epoch"] + 1, self._ttl, left)

    def _renew(self, session: Session, leases: Sequence[Lease]) -> list[Lease]:
        held = []
        for lease in leases:
            longer = operations.update().where(*_is(lease)).values(lease_expires_at=now_us() + self._ttl_us)
            if session.change(longer):
                held.append(lease)
        since = self._taken_over(session, held)
        return [
            Lease(
                lease.operation, lease.owner, lease.epoch, self._ttl, self._drain_left(session, since[lease.operation])
            )
            for lease in held
        ]

    def _taken_over(self, session: Session, leases: Sequence[Lease]) -> dict[str, int | None]:
        ids = [lease.operation for lease in leases]
        rows = session.rows(sa.select(_COLUMNS.id, _COLUMNS.lease_taken_over_at).where(_COLUMNS.id.in_(ids)))
        return {row["id"]: row["lease_taken_over_at"] for row in rows}

    @property
    def _ttl_us(self) -> int:
        return int(self._ttl * MICROSECONDS)

    def _drain_left(self, session: Session, taken_over_at: int | None) -> float:
        """Seconds that are left of the window that began at `taken_over_at` (microseconds)."""
        if taken_over_at is None:
            return 0.0
        return max(0.0, self._drain - (session.now_us() - taken_over_at) / MICROSECONDS)


def _is(lease: Lease) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        _COLUMNS.id == lease.operation,
        _COLUMNS.lease_owner == lease.owner,
        _COLUMNS.lease_epoch == lease.epoch,
    )
