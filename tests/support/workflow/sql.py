"""Trials on the SQL journal and its leases, in virtual time."""

import asyncio
import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from siterecovery.protector.domain.states import OperationStatus
from siterecovery.protector.store import tables
from siterecovery.protector.store.database import connect
from siterecovery.protector.store.schema import migrate
from siterecovery.protector.store.secrets import Keys
from siterecovery.protector.store.sql_store import SqlStore, open_store
from support.stores import KEY, START, accept
from support.workflow.faults import DRAIN, TTL


class SqlBackend:
    """One accepted operation in a store."""

    operation = "op"

    def __init__(self, store: SqlStore) -> None:
        accept(store, self.operation)
        self.journal = store.journal
        self.leases = store.leases

    def closing(self, then: Callable[[], Any]) -> Any:
        def close(tx: Any) -> None:
            known = tx.operations.get(self.operation, lock=True)
            tx.operations.save(dataclasses.replace(known, status=OperationStatus.COMPLETED))
            then()

        return close


@contextmanager
def sqlite_backends(directory: Path) -> Iterator[Callable[[], SqlBackend]]:
    """Makes a backend for each trial, on one SQLite file that is emptied in between."""
    url = f"sqlite:///{directory}/protector.sqlite"
    migrate(url)
    raw = connect(url)
    store = open_store(url, Keys([KEY]), drain=DRAIN, lease_ttl=TTL, clock=_now)

    def fresh() -> SqlBackend:
        with raw.begin() as connection:
            connection.execute(tables.operations.delete())
        return SqlBackend(store)

    try:
        yield fresh
    finally:
        store.close()
        raw.dispose()


def _now() -> float:
    return START + asyncio.get_running_loop().time()
