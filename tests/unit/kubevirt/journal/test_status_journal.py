"""The journal in a Failover's status: what it keeps, whom it refuses, and how large it may grow."""

import asyncio
import json

import pytest

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.crds.kinds import problems
from siterecovery.kubevirt.domain.resources import FAILOVERS
from siterecovery.kubevirt.journal.rows import Oversized
from siterecovery.kubevirt.journal.status_journal import StatusJournal
from siterecovery.workflow.clock import SystemClock
from siterecovery.workflow.journal import Entry, JournalUnavailable, State, Write
from siterecovery.workflow.record import UNDO
from siterecovery.workflow.step import Fenced, Refused
from unit.kubevirt.memory_cluster import MemoryCluster

NAME, SPACE = "failover-pg-a-1730400000", "site-recovery"
SPEC = {"protectionGroup": "pg-a", "targetCluster": "cluster2"}


def direct(work):
    """A bridge without threads: the memory cluster never waits."""
    return asyncio.run(work)


@pytest.fixture
def cluster():
    made = MemoryCluster("quorum")
    made.put(FAILOVERS, FAILOVERS.header(NAME, SPACE) | {"spec": SPEC}, {"epoch": 1, "phase": "Pending"})
    return made


@pytest.fixture
def journal(cluster):
    return StatusJournal(cluster, cluster.of(FAILOVERS, NAME, SPACE), direct, SystemClock())


def write(*entries, epoch=1, changes=()):
    return Write(f"{SPACE}/{NAME}", epoch, entries, changes)


def status(cluster):
    return cluster.of(FAILOVERS, NAME, SPACE)["status"]


def test_what_is_written_is_loaded(cluster, journal):
    """A new owner finds each step's state, answer, error and resource as the last one has written them."""
    done = Entry("stop_source", State.DONE, {"generation": 3})
    failed = Entry("release_storage", State.FAILED, None, "a device is open", "vol-1")
    journal.commit([write(Entry("stop_source", State.STARTED))])
    journal.commit([write(done), write(failed)])

    found = StatusJournal(cluster, cluster.of(FAILOVERS, NAME, SPACE), direct, SystemClock()).load("any")

    assert list(found.values()) == [done, failed]


def test_the_decision_to_go_back_is_no_step(cluster, journal):
    """People see steps only; the runner's own marks are conditions, and are loaded all the same."""
    undo, item = Entry(UNDO, State.STARTED, error="no"), Entry(UNDO + ":web", State.DONE)
    journal.commit([write(Entry("stop_source", State.STARTED), undo, item)])

    assert [row["name"] for row in status(cluster)["steps"]] == ["stop_source"]
    assert {item["type"]: item["status"] for item in status(cluster)["conditions"]} == {
        "Undoing": "True",
        "GivenUp:web": "False",
    }
    assert journal.load("any")[UNDO] == undo
    assert journal.load("any")[UNDO + ":web"] == item
    assert problems(cluster.of(FAILOVERS, NAME, SPACE)) == []


def test_an_older_owner_is_fenced(cluster, journal):
    """A write under an older epoch is answered with Fenced and changes nothing, also when the newer owner came after the last read."""
    cluster.put(FAILOVERS, FAILOVERS.header(NAME, SPACE) | {"spec": SPEC}, {"epoch": 2, "phase": "Running"})

    (answer,) = journal.commit([write(Entry("stop_source", State.STARTED))])

    assert isinstance(answer, Fenced)
    assert "steps" not in status(cluster)


def test_somebody_elses_change_is_kept(cluster, journal):
    """A Conflict with another writer under the same epoch is a reread: both writes stand."""
    cluster.put(FAILOVERS, FAILOVERS.header(NAME, SPACE) | {"spec": SPEC}, {"epoch": 1, "observedGeneration": 7})

    (answer,) = journal.commit([write(Entry("stop_source", State.STARTED))])

    assert answer is None
    assert status(cluster)["observedGeneration"] == 7
    assert status(cluster)["steps"][0]["state"] == "started"


def test_a_lost_answer_ends_in_the_same_rows(cluster, journal):
    """A write that was applied though nobody heard so is repeated without a trace."""
    applied = cluster.patch

    async def lost(*args, **kwargs):
        await applied(*args, **kwargs)
        cluster.patch = applied
        raise base.TimedOut("no answer in time", cluster="quorum")

    cluster.patch = lost
    with pytest.raises(JournalUnavailable):
        journal.commit([write(Entry("stop_source", State.STARTED))])

    assert journal.commit([write(Entry("stop_source", State.STARTED))]) == [None]
    assert [row["name"] for row in status(cluster)["steps"]] == ["stop_source"]


def test_a_deleted_failover_fences(cluster, journal):
    """When the Failover is gone, or another one of its name is there, nobody owns anything any more."""
    cluster.take(FAILOVERS, NAME, SPACE)
    assert isinstance(journal.commit([write(Entry("a", State.STARTED))])[0], Fenced)

    cluster.put(FAILOVERS, FAILOVERS.header(NAME, SPACE) | {"spec": SPEC}, {"epoch": 1})
    assert isinstance(journal.commit([write(Entry("a", State.STARTED))])[0], Fenced)
    with pytest.raises(Fenced):
        journal.load("any")


def test_a_refused_write_hurts_nobody_else(cluster, journal):
    """What the API server finds invalid (413, 422) is answered to its writer; what was to be written together with it is written."""
    patch = cluster.patch

    async def picky(resource, name, namespace, change, **more):
        if any(row["name"] == "bad" for row in change["status"].get("steps", ())):
            raise base.Invalid("status is too large", cluster="quorum", status=413)
        return await patch(resource, name, namespace, change, **more)

    cluster.patch = picky
    answers = journal.commit([write(Entry("good", State.STARTED)), write(Entry("bad", State.STARTED))])

    assert answers[0] is None
    assert isinstance(answers[1], Refused)
    assert [row["name"] for row in status(cluster)["steps"]] == ["good"]


def test_a_long_answer_is_refused_and_a_long_error_is_cut(cluster, journal):
    """A row stays within about a kilobyte: an answer that does not fit is a bug of its step, an error is cut."""
    (answer,) = journal.commit([write(Entry("a", State.DONE, "x" * 600))])
    assert isinstance(answer, Oversized)
    assert "steps" not in status(cluster)

    journal.commit([write(Entry("a", State.FAILED, None, "e" * 5000, "r" * 300))])
    assert len(json.dumps(status(cluster)["steps"][0])) < 1500
    assert problems(cluster.of(FAILOVERS, NAME, SPACE)) == []


def test_changes_are_written_with_their_entries_or_not_at_all(cluster, journal):
    """What a change raises is answered to its writer, and its entries are not written."""

    def broken(status):
        status["phase"] = "Running"
        raise ValueError("no")

    (answer,) = journal.commit([write(Entry("a", State.STARTED), changes=(broken,))])

    assert isinstance(answer, ValueError)
    assert status(cluster)["phase"] == "Pending"
    assert "steps" not in status(cluster)
