"""What tests do to a store from outside: open it again as another process would, and let leases run out without waiting."""

from collections.abc import Callable

import sqlalchemy as sa

from siterecovery.protector.store import tables
from siterecovery.protector.store.columns import MICROSECONDS
from siterecovery.protector.store.sql_store import SqlStore
from support.records import operation

DRAIN = 30.0
TTL = 60.0
Open = Callable[..., SqlStore]


def expire(database: sa.Engine) -> None:
    """Every lease has run out."""
    with database.begin() as connection:
        connection.execute(tables.operations.update().values(lease_expires_at=1))


def age_take_overs(database: sa.Engine, seconds: float) -> None:
    """As if the last take-overs had been that much earlier."""
    earlier = tables.operations.c.lease_taken_over_at - int(seconds * MICROSECONDS)
    with database.begin() as connection:
        connection.execute(tables.operations.update().values(lease_taken_over_at=earlier))


def accept(store: SqlStore, *operation_ids: str) -> None:
    """As the API accepts operations, one after the other."""
    for id in operation_ids:
        with store.begin() as tx:
            tx.operations.add(operation(id))
