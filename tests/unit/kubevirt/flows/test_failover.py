"""The rules of a failover, on clusters in memory: what is refused, what is done in which order, and what is left when it fails."""

import pytest

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.crds.failover import FailoverType
from siterecovery.kubevirt.domain.resources import (
    LEASES,
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    PROTECTION_GROUPS,
    VIRTUAL_MACHINE_INSTANCES,
    VIRTUAL_MACHINES,
)
from siterecovery.workflow.run import End
from siterecovery.workflow.step import Refused, Retry
from unit.kubevirt.flows.ground import GROUP, SPACE, TAINT, Ground, brain, reason


def impatient(flow):
    """Steps try twice, and at once."""
    for step in flow.steps():
        step.retry = Retry(attempts=min(step.retry.attempts, 3), first=0.0)


def failing(name):
    """Lets the step of that name fail."""

    def change(flow):
        impatient(flow)
        (step,) = [step for step in flow.steps() if step.name == name]

        def refused(call):
            raise Refused("It was made to fail here.")

        step.do = refused

    return change


def untouched(ground):
    return (ground.authority("cluster1"), ground.authority("cluster2"), ground.running()) == (
        (1, "cluster1"),
        (1, "cluster1"),
        ["cluster1"],
    )


def locks(ground):
    return [name for name, cluster in ground.clusters.items() if cluster._all(LEASES)]


def test_a_planned_move_takes_everything_along():
    """Stopped and released on the source, under a higher epoch on the target, never open twice, and no lock is left."""
    ground = Ground()

    result = ground.move()

    assert result.end is End.COMPLETED, result
    assert ground.running() == ["cluster2"]
    assert ground.authority("cluster1") == ground.authority("cluster2") == (2, "cluster2")
    assert ground.storage.primaries == {"db": {"cluster2"}, "web": {"cluster2"}}
    assert ground.storage.twice == []
    assert locks(ground) == []


def racing(ground, also=lambda source: None):
    """The first write of the new epoch on the source loses its race; `also` is what the winner has done. The step has one attempt."""
    source, lost = ground.clusters["cluster1"], []

    def faster(verb, resource, name):
        stopped = (
            resource is PROTECTION_GROUPS and source.of(resource, name, SPACE)["spec"]["desiredState"] == "stopped"
        )
        if verb == "patch" and stopped and not lost:
            lost.append(name)
            also(source)
            return base.Conflict("the object has been modified", cluster="cluster1", status=409)
        return None

    def once(flow):
        impatient(flow)
        (step,) = [step for step in flow.steps() if step.name == "raise_epoch"]
        step.retry = Retry(attempts=1)

    source.broken = faster
    result = ground.move(change=once)
    assert lost
    return result


def test_a_controller_that_tells_its_status_does_not_hold_up_the_new_epoch():
    """It writes into the same object: that race is run again at once, in the same attempt."""
    ground = Ground()

    assert racing(ground).end is End.COMPLETED
    assert ground.authority("cluster1") == (2, "cluster2")


def test_a_person_who_changes_the_source_meanwhile_has_everything_proven_again():
    """What was seen at rest may be starting: the epoch is not raised over it in the same attempt."""
    ground = Ground()

    def person(source):
        group = source.of(PROTECTION_GROUPS, GROUP, SPACE)
        group["metadata"]["generation"] += 1
        source.put(PROTECTION_GROUPS, group | {"spec": group["spec"] | {"desiredState": "running"}})

    assert racing(ground, person).end is not End.COMPLETED
    assert ground.authority("cluster1") == ground.authority("cluster2") == (1, "cluster1")


@pytest.mark.parametrize(
    "name",
    ["release_storage", "raise_epoch", "promote_storage", "remove_quorum_taints", "start_target", "verify_target"],
)
def test_a_failed_move_is_taken_back(name):
    """Whatever fails before the commit, the group runs on its source again; once authority had moved, under a still higher epoch."""
    ground = Ground()

    result = ground.move(failing(name))

    assert result.end is End.UNDONE, result
    assert "It was made to fail here." in result.error
    assert ground.running() == ["cluster1"]
    moved = name not in ("release_storage", "raise_epoch")
    assert ground.authority("cluster1") == ((3, "cluster1") if moved else (1, "cluster1"))
    assert ground.authority("cluster2") == ground.authority("cluster1")
    assert ground.storage.twice == []
    assert locks(ground) == []


def test_a_target_that_does_not_stop_keeps_the_source_down():
    """When the target cannot be seen stopped, authority is not handed back and the source is not started: better both stopped than two copies."""
    ground = Ground()

    def change(flow):
        failing("verify_target")(flow)
        for step in flow.steps():
            step.undo_timeout = 0.5
        ground.target.stubborn = True

    result = ground.move(change)

    assert result.end is End.STUCK
    assert ground.authority("cluster2") == (2, "cluster2")
    assert ground.running() == ["cluster2"]
    assert ground.copy("cluster1")["spec"]["desiredState"] == "stopped"
    assert ground.storage.twice == []


def test_a_source_that_does_not_stop_is_left_running():
    """Nothing moves, and what was asked of the source is taken back."""
    ground = Ground()
    ground.source.stubborn = True

    result = ground.move(impatient)

    assert result.end is End.UNDONE
    assert "did not stop on cluster1" in result.error
    assert untouched(ground)
    assert ground.copy("cluster1")["spec"]["desiredState"] == "running"


@pytest.mark.parametrize("released", [False, True])
def test_what_a_controller_says_is_not_enough_to_move_authority(released):
    """VMs run though their controller says that they have stopped: the disks are waited for, and where they seem closed the VMs are seen."""
    ground = Ground()
    ground.source.stubborn = ground.source.lying = True
    if released:
        for volume in ground.storage.primaries:
            ground.storage.close_on(volume, "cluster1")

    result = ground.move(impatient)

    assert result.end is End.UNDONE
    assert ("are not proven stopped on cluster1" if released else "timed out") in result.error
    assert untouched(ground)
    assert ground.running() == ["cluster1"]


def test_a_planned_move_needs_its_source():
    """Refused before anything is touched, with the exact command of the unplanned one."""
    ground = Ground()
    ground.source.down = True

    result = ground.move(impatient)

    assert result.end is End.UNDONE
    assert "pgctl failover pg-a --to cluster2 --type unplanned --confirm-source-down --namespace prod" in result.error
    ground.source.down = False
    assert untouched(ground)


def test_an_unplanned_move_leaves_its_source_alone():
    """The target runs alone with quorum switched off where it must be; what the source is owed stands in the target's copy before anything else."""
    ground = Ground()
    ground.source.down = True
    for name in ("db", "web"):
        ground.storage.close_on(name, "cluster1")

    result = ground.move(impatient, type=FailoverType.UNPLANNED)

    assert result.end is End.COMPLETED, result
    assert ground.authority("cluster2") == (2, "cluster2")
    debts = ground.copy("cluster2")["status"]["debts"]
    assert [(debt["cluster"], debt["kind"], debt["epoch"]) for debt in debts] == [
        ("cluster1", "stop", 2),
        ("cluster1", "restore-quorum", 2),
    ]
    assert ground.storage.forced == ["db", "web"]
    assert "QuorumOff" in {entry[0] for entry in ground.story.entries}


def test_an_unplanned_move_waits_until_quorum_is_really_off():
    """Switched off is not yet applied: nothing is started before a promotion would work, and one that never would ends the move."""
    ground = Ground()
    ground.storage.slow = 2
    unplanned = {"type": FailoverType.UNPLANNED}
    ground.source.down = True

    assert ground.move(impatient, **unplanned).end is End.COMPLETED
    assert ground.storage.slow == 0

    ground = Ground()
    ground.storage.slow = 1000
    ground.source.down = True
    result = ground.move(impatient, **unplanned)
    assert result.end is not End.COMPLETED
    assert "cannot be opened on cluster2: Volume db is NoQuorum." in result.error
    assert not ground.target.guests()


def test_quorum_that_is_lost_after_the_look_is_switched_off_too():
    """A source that died a moment ago is missed by the storage only when the target is being started: the move goes on by force."""
    ground = Ground()
    ground.source.down = ground.storage.dying = True
    ground.storage.opened = lambda: ground.target.follow(ground.copy("cluster2"))

    result = ground.move(impatient_but_for("start_target"), type=FailoverType.UNPLANNED)

    assert result.end is End.COMPLETED, result
    assert sorted(ground.storage.forced) == ["db", "web"]
    assert ground.target.guests()


def impatient_but_for(name):
    def change(flow):
        kept = {step.name: step.retry for step in flow.steps()}
        impatient(flow)
        for step in flow.steps():
            if step.name == name:
                step.retry = kept[name]

    return change


def test_an_unplanned_move_does_not_pass_over_a_running_source():
    """A person may be wrong about the source being down: when its VMs are seen running, nothing is started elsewhere."""
    ground = Ground()

    result = ground.move(impatient, type=FailoverType.UNPLANNED)

    assert "an unplanned failover would start a second copy" in result.error
    assert untouched(ground)


def test_a_failed_unplanned_move_gives_nothing_back_to_a_source_it_cannot_ask():
    """It stays stopped where it was being moved to, and says how to go on."""
    ground = Ground()
    ground.source.down = True

    result = ground.move(failing("verify_target"), type=FailoverType.UNPLANNED)

    assert result.end is End.STUCK
    assert ground.authority("cluster2") == (2, "cluster2")


@pytest.mark.parametrize("force", [False, True])
def test_split_brain_is_never_overridden(force):
    """VMs on both clusters, one VM on each, or disks that have parted: refused with the commands that help, force or not."""
    both = Ground()
    both.target._run(SPACE, ["web"])
    parted = Ground()
    parted.storage.parted = [brain()]

    said = [both.move(impatient, force=force).error, parted.move(impatient, force=force).error]

    assert all("split-brain" in text and "kubectl patch protectiongroup pg-a -n prod" in text for text in said)
    assert "location: both" in said[0]
    assert both.running() == ["cluster1", "cluster2"]
    assert untouched(parted)


def test_equal_epochs_with_two_masters_are_a_split_brain():
    """Two copies that name different clusters under one epoch are for a person to decide."""
    ground = Ground()
    status = ground.copy("cluster2")["status"] | {"activeCluster": "cluster2"}
    ground.target.put(PROTECTION_GROUPS, ground.copy("cluster2"), status)

    result = ground.move(impatient)

    assert "split-brain" in result.error
    assert "epoch 1" in result.error


def occupied(ground):
    """Quorum taints on the target, and another group's VM there."""
    ground.target.put(NODES, NODES.header("cluster2-node") | {"spec": {"taints": [TAINT]}}, {"conditions": []})
    spec = {"clusters": {"primary": "cluster1", "dr": "cluster2"}, "virtualMachines": [{"name": "other"}]}
    ground.target.put(PROTECTION_GROUPS, PROTECTION_GROUPS.header("pg-x", "shop") | {"spec": spec})
    ground.target.put(
        VIRTUAL_MACHINE_INSTANCES, VIRTUAL_MACHINE_INSTANCES.header("other", "shop"), {"phase": "Running"}
    )


def test_another_groups_vms_guard_the_taints():
    """With quorum taints on the target a live VM of another group stops the move in its checks; only force goes on."""
    ground = Ground()
    occupied(ground)

    refused = ground.move(impatient)

    assert "UNSAFE to remove taints on cluster2" in refused.error
    assert "    - shop/pg-x" in refused.error
    assert untouched(ground)


def test_force_overrides_the_safety_check_only():
    """The taints go, and the group runs; a lagging replica still stops a forced move."""
    ground = Ground()
    occupied(ground)
    assert ground.move(impatient, force=True).end is End.COMPLETED
    assert not ground.target.of(NODES, "cluster2-node")["spec"].get("taints")

    lagging = Ground()
    lagging.storage.lagging = [reason()]
    assert "Volume db is Outdated." in lagging.move(impatient, force=True).error
    assert untouched(lagging)


def test_taints_that_come_back_at_once_end_the_move():
    """When the agent is faster than the scheduler, the move is taken back and names the agent."""
    ground = Ground()
    ground.target.put(NODES, NODES.header("cluster2-node") | {"spec": {"taints": [TAINT]}}, {"conditions": []})
    ground.target.agent_puts_back = True

    result = ground.move(impatient)

    assert result.end is End.UNDONE
    assert "Piraeus HA controller" in result.error
    assert ground.running() == ["cluster1"]


def test_a_group_that_is_there_is_left_alone():
    """Nothing is written anywhere but the lock."""
    ground = Ground()
    assert ground.move().end is End.COMPLETED
    before = {name: ground.copy(name)["metadata"]["resourceVersion"] for name in ("cluster1", "cluster2")}

    result = ground.move()

    assert result.end is End.COMPLETED
    assert result.values["locate_virtual_machines"]["already"] is True
    assert {name: ground.copy(name)["metadata"]["resourceVersion"] for name in before} == before


def test_what_cannot_be_promoted_is_taken_back():
    """A replica that may not be started from, seen after authority has moved, brings the group home."""
    ground = Ground()
    ground.storage.unready = [reason(kind="NoQuorum")]

    result = ground.move(impatient)

    assert result.end is End.UNDONE
    assert "Volume db is NoQuorum." in result.error
    assert ground.running() == ["cluster1"]


def test_a_claim_without_a_volume_on_the_target_is_refused():
    """What has no replicated disk over there is not moved, and it says which."""
    ground = Ground()
    ground.target.take(PERSISTENT_VOLUME_CLAIMS, "db-disk", SPACE)

    result = ground.move(impatient)

    assert "claim db-disk of db has no replicated volume on cluster2" in result.error
    assert untouched(ground)


@pytest.mark.parametrize("kind", [FailoverType.PLANNED, FailoverType.UNPLANNED, FailoverType.TEST])
@pytest.mark.parametrize("force", [False, True])
def test_a_stranger_with_a_members_name_is_never_overridden(kind, force):
    """A VM on the target that nobody has made the group's: refused before anything is touched, with what to do, also with force."""
    ground = Ground()
    vm = ground.target.of(VIRTUAL_MACHINES, "web", SPACE)
    ground.target.put(VIRTUAL_MACHINES, vm | {"metadata": vm["metadata"] | {"labels": {}}})
    ground.source.down = kind is FailoverType.UNPLANNED

    result = ground.move(impatient, type=kind, force=force)

    assert result.end is End.UNDONE
    assert "which nobody has made this group's: web" in result.error
    ground.source.down = False
    assert untouched(ground)
    assert ground.copy("cluster1")["spec"]["desiredState"] == "running"


@pytest.mark.parametrize(
    ("reason", "status", "refused"),
    [
        ("CopiesIncomplete", "False", True),
        ("OutOfSync", "False", False),
        ("CopiesUnknown", "Unknown", False),
        ("Ready", "True", False),
    ],
)
def test_copies_that_are_known_to_be_incomplete_stop_a_planned_move(reason, status, refused):
    """What only the mirror knows is believed; of the rest what is seen now counts. A source that is down has no say."""
    ground = Ground()
    group = ground.copy("cluster1")
    said = {"type": "FailoverReady", "status": status, "reason": reason, "message": "Secret key is not there"}
    said["lastTransitionTime"] = "2026-11-21T10:00:00Z"
    ground.source.put(PROTECTION_GROUPS, group, group["status"] | {"conditions": [said]})

    result = ground.move(impatient)

    assert (result.end is End.UNDONE) is refused
    if refused:
        assert "Secret key is not there" in result.error
        assert untouched(ground)
        ground.source.down = True
        assert ground.move(impatient, type=FailoverType.UNPLANNED).end is End.COMPLETED


def test_a_person_who_starts_the_source_again_stops_the_move():
    """desiredState set back to running in the middle is told, not overruled for ever, and the group ends where it was."""
    ground = Ground()
    ground.source.stubborn = True
    patch = ground.source.patch

    async def meddle(resource, name, namespace, change, **more):
        done = await patch(resource, name, namespace, change, **more)
        if (change.get("spec") or {}).get("desiredState") == "stopped":
            await patch(resource, name, namespace, {"spec": {"desiredState": "running"}})
        return done

    ground.source.patch = meddle

    result = ground.move(impatient)

    assert "Somebody has set desiredState of pg-a on cluster1 to running" in result.error
    assert ground.running() == ["cluster1"]
    assert ground.copy("cluster1")["spec"]["desiredState"] == "running"
