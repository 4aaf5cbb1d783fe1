"""What tests do to a store from outside: open it again as another process would, and let leases run out without waiting."""

from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
from cryptography.fernet import Fernet

from siterecovery.protector.store import tables
from siterecovery.protector.store.columns import MICROSECONDS
from siterecovery.protector.store.schema import migrate
from siterecovery.protector.store.secrets import Keys
from siterecovery.protector.store.sql_store import SqlStore, open_store
from support.records import operation

DRAIN = 30.0
KEY = Fernet.generate_key().decode()
TTL = 60.0
START = 1_780_000_000.25
"""Seconds since 1970: 2026-05-28T20:26:40Z and a quarter."""
Open = Callable[..., SqlStore]


class Clock:
    """Seconds since 1970, as far as the test says."""

    def __init__(self) -> None:
        self.seconds = START

    def __call__(self) -> float:
        return self.seconds


def sqlite_store(path: Path, clock: Callable[[], float], *, patience: float = 10.0) -> SqlStore:
    """A store on a new SQLite file, or one more on a file that is there."""
    url = f"sqlite:///{path}"
    migrate(url)
    return open_store(url, Keys([KEY]), drain=DRAIN, lease_ttl=TTL, patience=patience, clock=clock)


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
