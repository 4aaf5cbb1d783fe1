"""What people read when a Failover has ended, and what its phase says on the way."""

import pytest

from siterecovery.kubevirt.controllers.failover import status
from siterecovery.kubevirt.crds.failover import FailoverType, Phase
from siterecovery.kubevirt.domain.refusals import Refusal, lock_held, recognised
from siterecovery.kubevirt.flows import failover as flows
from siterecovery.kubevirt.steps.base import Move, World
from siterecovery.workflow.journal import Entry, State
from siterecovery.workflow.record import Record
from siterecovery.workflow.run import End, Result

MOVE = Move("prod", "fo", "uid", "pg-a", "cluster1", "cluster2", "quorum", asked="dr-cluster")


def result(end, error=None, failures=(), values=None):
    return Result(end, error, tuple(failures), values or {})


def done(*names):
    return [Entry(name, State.DONE) for name in names]


class Story:
    def into(self, status):
        status["history"] = ["told"]


def test_success_is_told_in_the_documented_words():
    """With the name the target was asked for by; force says so."""
    forced = Move(**{**vars(MOVE), "force": True})
    assert status.ended(MOVE, result(End.COMPLETED), []) == (
        Phase.SUCCEEDED,
        "Failover of pg-a to dr-cluster completed successfully",
    )
    assert status.ended(forced, result(End.COMPLETED), [])[1] == (
        "Failover of pg-a to dr-cluster completed (force mode)"
    )


def test_a_refusal_keeps_its_words():
    """What failed in its checks says nothing but why: people and scripts recognise the words."""
    words = lock_held("pg-a", "failover-controller-12345")
    undone = [Entry("acquire_lock", State.UNDONE, error=words)]
    assert status.ended(MOVE, result(End.UNDONE, words), undone) == (Phase.FAILED, words)
    assert recognised(words) is Refusal.LOCK_HELD


def test_a_move_that_was_taken_back_says_where_the_group_is():
    """Once something was begun, the message also tells that it was undone."""
    phase, message = status.ended(MOVE, result(End.UNDONE, "it did not stop"), done("acquire_lock", "stop_source"))
    assert (phase, message) == (
        Phase.FAILED,
        "it did not stop. The move was taken back: pg-a is on cluster1 as before.",
    )


@pytest.mark.parametrize("kind", [FailoverType.PLANNED, FailoverType.UNPLANNED])
def test_a_move_that_is_stuck_says_what_to_do(kind):
    """What could not be taken back, and the exact commands to go on with."""
    move = Move(**{**vars(MOVE), "type": kind})
    rows = [*done("stop_source"), Entry("start_target", State.UNDO_FAILED, error="cluster2 does not answer")]

    message = status.ended(move, result(End.STUCK, "it did not start."), rows)[1]

    assert "start_target: cluster2 does not answer" in message
    assert "pgctl failover pg-a --to dr-cluster --namespace prod" in message
    assert ("--type unplanned --confirm-source-down" in message) is (kind is FailoverType.UNPLANNED)


def test_it_is_pending_until_its_checks_are_passed():
    """A Failover that is refused never ran: the phase turns to Running with the first step that changes something."""
    flow = flows.move(World(MOVE, None, None, None, None, None, None))
    record = Record(flow)
    recorder = status.recorder(MOVE, Story())
    found = {"phase": "Pending", "steps": []}
    seen = []
    for step in flow.steps():
        record.note(Entry(step.name, State.STARTED))
        found["steps"].append({"name": step.name, "state": "started"})
        for change in recorder("fo", record, undoing=False):
            change(found)
        seen.append((step.name, found["phase"]))
        record.note(Entry(step.name, State.DONE))

    pending = [name for name, phase in seen if phase == "Pending"]
    assert pending == [name for name in flows.CHECKS if name in dict(seen)]
    assert seen[len(pending)] == ("stop_source", "Running")
    assert found["message"] == "Releasing the failover lock for pg-a"
    assert 90 <= found["progress"] <= 99
    assert found["history"] == ["told"]
