"""Whatever two owners do, and in whatever order: a stale epoch never writes, and what was accepted stays."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from siterecovery.workflow.journal import Entry, State, Write
from siterecovery.workflow.lease import Lease
from siterecovery.workflow.step import Fenced
from support.stores import DRAIN, TTL, Clock, accept, sqlite_store

OWNERS = st.sampled_from(["a", "b"])


class Fencing(RuleBasedStateMachine):
    """One operation, two owners on two stores; the model is its newest epoch, owner, end of lease and last take-over."""

    leases = Bundle("leases")
    """Every lease that was ever granted: owners keep using theirs after they have lost it."""

    @initialize()
    def open(self) -> None:
        self.directory = Path(tempfile.mkdtemp())
        self.clock = Clock()
        self.stores = {owner: sqlite_store(self.directory / "protector.db", self.clock) for owner in "ab"}
        accept(self.stores["a"], "o1")
        self.owner: str | None = None
        self.epoch, self.expires = 0, 0.0
        self.taken_over: float | None = None
        self.written: list[str] = []
        self.names = iter(range(10_000))

    @rule(target=leases, owner=OWNERS)
    def claim(self, owner: str) -> object:
        granted = self.stores[owner].leases.claim(owner, 5)
        expired = self.owner is not None and self.clock.seconds > self.expires
        if self.owner is not None and not expired:
            assert granted == []
            return multiple()
        if expired:
            self.taken_over = self.clock.seconds
        self.owner, self.epoch, self.expires = owner, self.epoch + 1, self.clock.seconds + TTL
        (lease,) = granted
        assert (lease.owner, lease.epoch, lease.ttl) == (owner, self.epoch, TTL)
        self.check_drain(lease)
        return lease

    @rule(seconds=st.sampled_from([1.0, DRAIN / 2, TTL, TTL + 1]))
    def wait(self, seconds: float) -> None:
        self.clock.seconds += seconds

    @rule(lease=leases)
    def renew(self, lease: Lease) -> None:
        held = self.stores[lease.owner].leases.renew([lease])
        assert [(found.owner, found.epoch) for found in held] == ([self.holder] if self.holds(lease) else [])
        if held:
            self.expires = self.clock.seconds + TTL
            self.check_drain(held[0])

    @rule(lease=consumes(leases))
    def release(self, lease: Lease) -> None:
        self.stores[lease.owner].leases.release(lease)
        if self.holds(lease):
            self.owner = None

    @rule(lease=leases)
    def commit(self, lease: Lease) -> None:
        self.commit_all(lease.owner, [lease])

    @rule(owner=OWNERS, batch=st.lists(leases, min_size=2, max_size=4))
    def commit_together(self, owner: str, batch: list[Lease]) -> None:
        self.commit_all(owner, batch)

    def commit_all(self, owner: str, batch: list[Lease]) -> None:
        steps = [f"s{next(self.names)}" for _ in batch]
        writes = [
            Write("o1", lease.epoch, (Entry(step, State.DONE, value=lease.epoch),))
            for lease, step in zip(batch, steps, strict=True)
        ]
        answers = self.stores[owner].journal.commit(writes)
        for lease, step, answer in zip(batch, steps, answers, strict=True):
            if lease.epoch == self.epoch:
                assert answer is None
                self.written.append(step)
            else:
                assert isinstance(answer, Fenced)

    @property
    def holder(self) -> tuple[str | None, int]:
        return self.owner, self.epoch

    def holds(self, lease: Lease) -> bool:
        return (lease.owner, lease.epoch) == self.holder

    def check_drain(self, lease: Lease) -> None:
        """The window of the last take-over from an owner that had not handed over, whoever asks."""
        left = 0.0 if self.taken_over is None else max(0.0, self.taken_over + DRAIN - self.clock.seconds)
        assert abs(lease.drain_left - left) < 0.001

    @invariant()
    def exactly_what_was_accepted_is_there(self) -> None:
        assert list(self.stores["a"].journal.load("o1")) == self.written

    def teardown(self) -> None:
        for store in self.stores.values():
            store.close()
        shutil.rmtree(self.directory)


Fencing.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestFencing = Fencing.TestCase
