"""One story for each rule, derived from the model's trace for the case without it: what is asked and what goes wrong, in which order.

A story only plays; what must hold is noted by the ground, by `Play.broken`, and by what the story itself expects.
"""

import contextlib

from model.rules import Property
from siterecovery.protector.arrays.base import Replication
from siterecovery.protector.domain import claims
from siterecovery.protector.domain.errors import CloudBusy, Conflict, RemoteSiteUnreachable
from siterecovery.protector.domain.states import OperationStatus, OperationType
from siterecovery.workflow.step import Fenced

from .arrays import SeenArrays
from .ground import A, Action, Apply, B
from .play import Play


def _cut_off_at_create(play: Play) -> str:
    """A planned move whose engine freezes with its create-server on the way to B."""
    play.ground.write(A, "w1")
    play.replicate("r1")
    play.ground.trap("create", B, play.ground.freeze)
    operation = play.ask(A)
    play.run(play.frozen, A, crash=True)
    return operation.id


def one_door(play: Play) -> None:
    """Users ask on both sites at once."""
    play.ask(A)
    with contextlib.suppress(Conflict):
        play.ask(B)
    play.settled()


def force_overrides(play: Play) -> None:
    """A dies in the middle of a planned move, whose hold B has been told of."""
    play.ground.write(A, "w1")
    play.replicate("r1")
    play.ground.trap("lock", A, play.dying(A))
    play.ask(A)
    play.run(lambda: not play.ground.up[A])
    play.expect(play.group(B).remote_hold is not None, Property.STUCK, "the story needs a pushed hold")
    try:
        play.ask(B, force=True)
    except Conflict as refused:
        play.expect(False, Property.NO_RECOVERY, refused.detail)
    play.settled()


def a_late_create_after_force(play: Play) -> None:
    """A dies with a create-server on its way; B is forced; the server comes late, beside the new one."""
    _cut_off_at_create(play)
    play.dies(A)
    play.ask(B, force=True)
    play.settled()
    play.ground.arrive()
    play.settled()


def a_made_server_before_force(play: Play) -> None:
    """A dies after its move has created a server on B, before the commit; B is forced."""
    play.ground.write(A, "w1")
    play.replicate("r1")
    play.ground.trap("create", B, play.then(lambda: play.dies(A)))
    play.ask(A)
    play.run(lambda: not play.ground.up[A])
    play.ask(B, force=True)
    play.settled()


def site_numbers(play: Play) -> None:
    """Behind a cut each site claims the next epoch for itself."""
    play.replicate("r1")
    play.cut()
    play.ask(B, force=True)
    play.settled()
    group = play.group(A)
    home = claims.claim(group, target_site_id=A, operation_id="op-home", base_epoch=0, newest_known=0)
    there = play.group(B).failover_epoch
    play.expect(home.claim.epoch != there, Property.TWO_IN_ONE_EPOCH, f"both have {there}")
    play.heal()
    play.settled()


def target_commits(play: Play) -> None:
    """A dies right after the commit, when the guest on B has written already."""
    play.ground.write(A, "w1")
    play.replicate("r1")

    def written_and_dead(apply: Apply) -> None:
        play.ground.write(B, "w2")
        play.dies(A)
        raise Fenced("dies")

    play.ground.trap("schedule", A, written_and_dead)
    play.ask(A)
    play.run(lambda: not play.ground.up[A])
    play.settled()
    if play.group(B).current_primary_site_id != B:
        play.ask(B, force=True)  # what the operator there must do, who sees no VM of the group active
        play.settled()
    play.expect("w2" in play.ground.holds(play.server()), Property.STALE_POINT)


def _late_commit(play: Play) -> str:
    """The commit is on its way when its engine freezes; then a person cancels."""
    play.ground.write(A, "w1")
    play.replicate("r1")
    play.ground.trap("peer.commit", B, play.ground.freeze)
    operation = play.ask(A)
    play.run(play.frozen, A, crash=True)
    play.cancel(A, operation.id)
    return operation.id


def _written_since(play: Play) -> None:
    """If the source runs again, its guest writes; that must not be lost to a move that is thought to be undone."""
    if any(guest.home == A for guest in play.ground.running()):
        play.ground.write(A, "w2")


def _nothing_lost(play: Play) -> None:
    try:
        kept = play.ground.holds(play.server())
    except KeyError:
        kept = frozenset()  # the server that the records name is gone
    play.expect(
        play.ground.written <= kept, Property.PLANNED_LOSS, f"{sorted(play.ground.written)} became {sorted(kept)}"
    )


def revoke(play: Play) -> None:
    """Another engine undoes the move; its source writes again; then the frozen commit arrives."""
    _late_commit(play)
    play.settled()
    _written_since(play)
    play.ground.arrive()
    play.settled()
    _nothing_lost(play)


def handover(play: Play) -> None:
    """The same, while B's Protector is silent and cannot be asked to revoke."""
    id = _late_commit(play)
    play.silent = True
    play.run(lambda: play.operation(A, id).status in (OperationStatus.COMPLETED, OperationStatus.FAILED), seconds=120)
    _written_since(play)
    play.silent = False
    play.ground.arrive()
    play.settled()
    _nothing_lost(play)


def undo_barrier(play: Play) -> None:
    """While another engine undoes the move, the frozen create-server comes late, and the link is cut: B's server can no longer be taken back."""
    id = _cut_off_at_create(play)
    play.cancel(A, id)

    def late_then_cut() -> None:
        play.ground.arrive()
        play.cut()

    play.ground.trap("unmanage", B, play.first(late_then_cut))
    play.run(lambda: play.operation(A, id).status is OperationStatus.FAILED)
    play.heal()
    play.settled()


def key_by_op(play: Play) -> None:
    """The engine freezes after its create-server was applied; another one goes on."""
    play.ground.write(A, "w1")
    play.ground.trap("create", B, play.ground.lose)
    operation = play.ask(A)
    play.settled()
    status = play.operation(A, operation.id).status
    play.expect(status is OperationStatus.COMPLETED, Property.STUCK, f"the move is {status}")


def quarantine(play: Play) -> None:
    """The guest has written on B when a person cancels, before the commit."""
    play.ground.write(A, "w1")

    play.ground.trap("create", B, play.then(lambda: play.ground.write(B, "w2")))
    operation = play.ask(A)
    play.ground.trap("peer.commit", B, _unheard(play, operation.id))
    play.settled()


def _unheard(play: Play, id: str) -> Action:
    """The commit does not arrive, again and again, until the person who cancels has been heard."""

    def action(apply: Apply) -> None:
        play.cancel(A, id)
        play.ground.trap("peer.commit", B, action)
        raise RemoteSiteUnreachable("B's Protector is busy.")

    return action


def lock(play: Play) -> None:
    """The VM's owner starts it again on A while the move is under way."""
    play.ground.write(A, "w1")
    play.ground.trap("create", B, play.then(lambda: play.tenant_starts(A)))
    play.ask(A)
    play.settled()


def keep_source(play: Play) -> None:
    """Moved to B, and B dies before anything was replicated back: A must still have what it had."""
    play.ground.write(A, "w1")
    play.ask(A)
    play.settled()
    play.ground.write(B, "w2")
    play.dies(B)
    play.ask(A, force=True)
    play.settled()
    play.expect(_recovered(play, {"w1"}), Property.POINT_LOST)


def _recovered(play: Play, writes: set[str]) -> bool:
    running = play.ground.running()
    return len(running) == 1 and writes <= play.ground.holds(running[0])


def new_objects(play: Play) -> None:
    """A failback's copy freezes on its way; another engine finishes; the guest writes at home; then the copy arrives."""
    play.ground.write(A, "w1")
    play.ask(A)
    play.settled()
    play.ground.write(B, "w2")
    play.ground.trap("copy_out", A, play.ground.freeze)
    play.ask(B, OperationType.FAILBACK, reverse_replication=True)
    play.settled()
    play.ground.write(A, "w3")
    play.ground.arrive()
    play.settled()


def epoch_rp(play: Play) -> None:
    """Forced at B while A lives on behind a cut, and its array still sends; later home again, and A dies: B must not take what A sent then."""
    play.ground.write(A, "w1")
    play.replicate("r1")
    play.cut()
    play.ask(B, force=True)
    play.run(lambda: not [o for o in play.operations(B) if o.status is OperationStatus.RUNNING])
    play.settled()
    (here,) = [guest for guest in play.ground.running() if guest.home == B]
    play.ground.write(B, "w2")
    play.ground.write(A, "w9")
    play.arrays.replicate_now(Replication("pg", A, B), "r9", keep=False)
    play.heal()
    play.settled()
    play.ask(B, OperationType.SYNC_FORCE)
    play.settled()
    play.expect("w2" in play.ground.holds(here), Property.STUCK)
    play.ask(B, OperationType.FAILBACK, reverse_replication=True)
    play.settled()
    play.dies(A)
    play.ask(B, force=True)
    play.settled()
    play.expect(_recovered(play, {"w1", "w2"}), Property.STALE_POINT)


def force_fences(play: Play) -> None:
    """Forced although A lives and answers."""
    play.ground.write(A, "w1")
    play.replicate("r1")
    play.ask(B, force=True)
    play.settled()


def force_fences_late(play: Play) -> None:
    """A answers only after the first look, before B's server is created."""
    play.ground.write(A, "w1")
    play.replicate("r1")
    play.cut()
    play.ground.trap("copy_out", B, play.then(lambda: play.after(20, play.heal)))
    play.ground.trap("manage", B, _busy(play))
    play.ask(B, force=True)
    play.settled()


def _busy(play: Play) -> Action:
    """B's Cinder does not answer for a while: half a minute passes before the next step."""

    def action(apply: Apply) -> None:
        if play.clock.time < 30:
            play.ground.trap("manage", B, action)
        raise CloudBusy("Cinder is busy.")

    return action


def keep_stale(play: Play) -> None:
    """Failed back by force, without what was written since: that stays where it is."""
    play.ground.write(A, "w1")
    play.ask(A)
    play.settled()
    play.ground.write(B, "w2")
    play.ask(B, OperationType.FAILBACK, force=True)
    play.settled()
    play.expect(_recovered(play, {"w1"}), Property.POINT_LOST)


def return_asks(play: Play) -> None:
    """A dies, B is forced, A returns and its host starts the VM again."""
    play.ground.write(A, "w1")
    play.replicate("r1")
    play.dies(A)
    play.ask(B, force=True)
    play.settled()
    play.returns(A)
    play.settled()


def watch_up(play: Play) -> None:
    """A lock freezes on its way, the move is undone by another engine, and the lock comes after its end."""
    play.ground.write(A, "w1")
    play.ground.trap("lock", A, play.ground.freeze)
    operation = play.ask(A)
    play.run(play.frozen, A, crash=True)
    play.cancel(A, operation.id)
    play.settled()
    play.ground.arrive()
    play.settled()


def drain(play: Play) -> None:
    """A stop freezes on its way, the move is undone by another engine, and the stop comes while late calls are still waited for."""
    play.ground.write(A, "w1")
    play.ground.trap("stop", A, play.ground.freeze)
    operation = play.ask(A)
    play.run(play.frozen, A, crash=True)
    play.cancel(A, operation.id)
    play.run(lambda: play.operation(A, operation.id).status is OperationStatus.ROLLING_BACK)
    play.after(2, play.ground.arrive)
    play.settled()


def tag_mono(play: Play) -> None:
    """A frozen engine's stamp of a lower epoch comes after a higher one's."""
    old, new = SeenArrays(play.arrays, A), SeenArrays(play.arrays, B)
    name = play.arrays.create_volume(B, "dr-copy", 10).name
    play.ground.trap("stamp", B, play.ground.freeze)
    with contextlib.suppress(Fenced):
        old.stamp(B, [name], 1)
    new.stamp(B, [name], 3)
    play.ground.arrive()
    play.expect(new.highest_epoch(B, name) == 3, Property.TAG_FELL)
