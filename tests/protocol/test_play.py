"""The stage itself: the undisturbed stories end as people expect."""

from siterecovery.protector.domain.states import GroupStatus, OperationStatus, OperationType

from .conftest import Make
from .ground import A, B


def test_there_and_back(make: Make) -> None:
    """A planned failover and a failback: one VM, every write, nothing broken."""
    play = make()
    play.ground.write(A, "w1")
    moved = play.ask(A)
    assert play.settled(), play.story()
    assert play.operation(A, moved.id).status is OperationStatus.COMPLETED, play.story()
    play.ground.write(B, "w2")
    back = play.ask(B, OperationType.FAILBACK, reverse_replication=True)
    assert play.settled(), play.story()
    assert play.operation(B, back.id).status is OperationStatus.COMPLETED, play.story()
    assert play.ground.holds(play.server()) == {"w1", "w2"}
    assert [guest.home for guest in play.ground.running()] == [A]
    assert (play.broken(), play.ground.broken) == (set(), []), play.story()


def test_a_dead_site_is_survived(make: Make) -> None:
    """A dies, a forced failover at B; A returns with its VM running, and stops it by itself."""
    play = make()
    play.ground.write(A, "w1")
    play.replicate("r1")
    play.dies(A)
    play.ask(B, force=True)
    assert play.settled(), play.story()
    assert play.group(B).status is GroupStatus.FAILED_OVER, play.story()
    play.returns(A)
    assert play.settled(), play.story()
    assert [guest.home for guest in play.ground.running()] == [B], play.story()
    assert play.broken() == set(), play.story()
