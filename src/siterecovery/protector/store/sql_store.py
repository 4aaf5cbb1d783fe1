"""The store over SQLAlchemy: transactions, and their repetition when the database asks for it."""

import contextlib
import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import sqlalchemy as sa

from siterecovery.protector.domain.errors import ProtectorError, StaleRow
from siterecovery.protector.store import base, engines
from siterecovery.protector.store.database import Clock, connect
from siterecovery.protector.store.debts import SqlDebts
from siterecovery.protector.store.errors import ConnectionLost, StoreBusy, Taken, translated
from siterecovery.protector.store.journal import SqlJournal
from siterecovery.protector.store.lease import SqlLeases
from siterecovery.protector.store.members import SqlMembers
from siterecovery.protector.store.operations import SqlOperations
from siterecovery.protector.store.policies import SqlPolicies
from siterecovery.protector.store.protection_groups import SqlGroups
from siterecovery.protector.store.secrets import Keys
from siterecovery.protector.store.session import Session, to_text
from siterecovery.protector.store.sites import SqlSites
from siterecovery.protector.store.tenants import SqlTenants
from siterecovery.protector.store.volumes import SqlVolumes
from siterecovery.workflow.journal import Journal
from siterecovery.workflow.lease import Leases

T = TypeVar("T")
RECONNECTIONS = 3
"""How often work is tried on a new connection: one may have broken long ago, so may those beside it in the pool."""


class SqlTransaction:
    def __init__(self, session: Session, keys: Keys) -> None:
        self.session = session
        self._operations = SqlOperations(session)
        self._policies = SqlPolicies(session, keys)
        self.sites: base.Sites = SqlSites(session)
        self.groups: base.Groups = SqlGroups(session)
        self.members: base.Members = SqlMembers(session)
        self.volumes: base.Volumes = SqlVolumes(session)
        self.policies: base.Policies = self._policies
        self.operations: base.Operations = self._operations
        self.debts: base.Debts = SqlDebts(session)
        self.tenants: base.Tenants = SqlTenants(session)

    def now(self) -> str:
        return to_text(self.session.now_us())

    def hold(self, *operation_ids: str) -> None:
        """This transaction has locked the rows of these operations."""
        self._operations.hold(*operation_ids)

    def reseal(self, keys: Keys, after: str, limit: int) -> list[str]:
        return self._policies.reseal(keys, after, limit)

    def commit(self) -> None:
        self._operations.flush()
        self.session.commit()


class SqlStore:
    """Safe for threads. `patience`: seconds for which work is repeated that others keep out."""

    def __init__(
        self,
        engine: sa.Engine,
        keys: Keys,
        *,
        drain: float,
        lease_ttl: float,
        patience: float = 10.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._engine = engine
        self._keys = keys
        self._patience = patience
        self._sleep = sleep
        self._writer = threading.Lock() if engine.dialect.name == "sqlite" else None
        self.journal: Journal = SqlJournal(self._run)
        self.leases: Leases = SqlLeases(self._run, lease_ttl, drain)

    def begin(self) -> contextlib.AbstractContextManager[base.Transaction]:
        return self._begin()

    @contextlib.contextmanager
    def _begin(self) -> Iterator[SqlTransaction]:
        with translated():
            connection = self._engine.connect()
        with connection:
            session = Session(connection, self._writer)
            try:
                tx = SqlTransaction(session, self._keys)
                yield tx
                tx.commit()
            finally:
                session.close()

    def run(self, work: Callable[[base.Transaction], T]) -> T:
        """Also repeats it when the connection broke during the commit, when nobody knows whether it arrived: `work` leads to the same rows
        however often it runs. Raises StoreUnavailable at once when nobody answers."""
        return self._run(work)

    def _run(self, work: Callable[[SqlTransaction], T]) -> T:
        give_up = time.monotonic() + self._patience
        for attempt in itertools.count(1):
            try:
                with self._begin() as tx:
                    return work(tx)
            except (StoreBusy, StaleRow, ConnectionLost, Taken) as error:
                if time.monotonic() >= give_up or attempt >= _most(error):
                    raise
            self._sleep(random.uniform(0.5, 1.5) * min(0.25, 0.002 * 2**attempt))  # rivals must not meet again
        raise AssertionError("unreachable")

    def engines(self) -> list[tuple[str, float]]:
        return self._run(lambda tx: engines.heard_of(tx.session))

    def heartbeat(self, owner: str) -> None:
        self._run(lambda tx: engines.heartbeat(tx.session, owner))

    def reseal(self, keys: Keys, after: str, limit: int) -> list[str]:
        """See `secrets.rotate`."""
        return self._run(lambda tx: tx.reseal(keys, after, limit))

    def close(self) -> None:
        """Gives the connections back; the store may still be used."""
        self._engine.dispose()


def _most(error: ProtectorError) -> float:
    """How many attempts an error is worth at most."""
    if isinstance(error, Taken):
        return 2  # two who insert the same row: the second one finds it next time
    return RECONNECTIONS if isinstance(error, ConnectionLost) else float("inf")


def open_store(
    url: str,
    keys: Keys,
    *,
    drain: float,
    lease_ttl: float,
    pool_size: int = 10,
    patience: float = 10.0,
    clock: Clock = time.time,
) -> SqlStore:
    """Connects lazily: a database that is away, or not prepared, is an error of the first transaction. Seconds throughout.

    `clock` is SQLite's; MariaDB and PostgreSQL have their own. BadRequest for a URL that cannot work.
    """
    engine = connect(url, clock=clock, pool_size=pool_size)
    return SqlStore(engine, keys, drain=drain, lease_ttl=lease_ttl, patience=patience)
