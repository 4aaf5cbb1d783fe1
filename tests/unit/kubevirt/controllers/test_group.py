"""The group controller's stories at speed; the same on real clusters are in tests/kubernetes/groups."""

import pytest

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.domain.names import HELD, STARTED_UNDER
from siterecovery.kubevirt.domain.resources import (
    EVENTS,
    FAILOVERS,
    NODES,
    PERSISTENT_VOLUMES,
    PROTECTION_GROUPS,
    VIRTUAL_MACHINE_INSTANCES,
    VIRTUAL_MACHINES,
)
from unit.kubevirt.controllers.sites import NS, Sites, play


def events(cluster):
    return {item["reason"]: item["message"] for key, item in cluster.objects.items() if key[0] == EVENTS.plural}


def test_mixed_is_seen_between_the_ends():
    """A group of two is seen mixed between running and stopped, in both directions, however fast its VMs are."""

    async def story(sites):
        sites.vm("a", "b")
        sites.group("a", "b")
        await sites.until_state("running")
        await sites.want("stopped")
        await sites.until_state("stopped")
        assert sites.running() == []
        await sites.want("running")
        await sites.until_state("running")

    told = play(story).told()
    assert told[told.index("running") :] == ["running", "mixed", "stopped", "mixed", "running"]


def test_order_is_kept():
    """Better priorities and dependencies start first and stop last."""

    async def story(sites):
        sites.vm("web", "db", "log", runStrategy="Halted")
        members = [{"name": "web", "priority": 1, "dependsOn": ["db"]}, {"name": "db"}, {"name": "log", "priority": 5}]
        sites.group(*members, desiredState="stopped")
        await sites.until_state("stopped")
        await sites.want("running")
        await sites.until_state("running")
        await sites.want("stopped")
        await sites.until_state("stopped")

    story = play(story).kubevirt["cluster1"].story
    assert [name for what, name in story if what == "started"] == ["db", "web", "log"]
    assert [name for what, name in story if what == "stopped"] == ["log", "web", "db"]


def test_a_vm_that_does_not_stop_keeps_the_group_mixed():
    """The group says which VM it waits for, and is not called stopped before the last one is."""

    async def story(sites):
        sites.vm("a", "b")
        sites.group("a", "b")
        await sites.until_state("running")
        sites.kubevirt["cluster1"].stuck.add("b")
        await sites.want("stopped")
        await sites.until(
            "converging", lambda: sites.ready()["reason"] == "Converging" and "b" in sites.ready()["message"]
        )
        await sites.until("mixed", lambda: sites.status()["currentState"] == "mixed")
        sites.kubevirt["cluster1"].stuck.clear()
        await sites.until_state("stopped")

    play(story)


def test_the_copies_are_kept():
    """Group, VM, claim and volume appear on the other cluster, stopped, with the same authority; the group is ready to move."""

    async def story(sites):
        sites.disk("disk", "pvc-1")
        sites.vm("a", claims=["disk"])
        sites.group("a")
        await sites.until("ready to move", lambda: sites.condition("FailoverReady")["status"] == "True")
        await sites.until_state("stopped", sites.two)
        assert sites.get(sites.two)["spec"]["desiredState"] == "stopped"
        assert (sites.status(sites.two)["epoch"], sites.status(sites.two)["activeCluster"]) == (1, "cluster1")
        assert sites.two.of(VIRTUAL_MACHINES, "a", NS)["spec"]["runStrategy"] == "Halted"
        assert sites.two.of(PERSISTENT_VOLUMES, "pvc-1")["spec"]["persistentVolumeReclaimPolicy"] == "Retain"
        assert sites.running(sites.two) == []

    play(story)


def test_the_wrong_cluster_starts_nothing():
    """desiredState: running where another cluster is active: no VM is started, and the condition and an event name that cluster."""

    async def story(sites):
        sites.vm("a")
        sites.group("a")
        await sites.until("copied", lambda: sites.rows(sites.two) == {"a": "Stopped"})
        await sites.want("running", sites.two)
        await sites.until("refused", lambda: sites.ready(sites.two)["reason"] == "NotActiveHere")
        await sites.until("told", lambda: "cluster1" in events(sites.two)["NotActiveHere"])
        assert sites.running(sites.two) == []

    play(story)


def test_a_higher_epoch_elsewhere_stops_what_runs_here():
    """A cluster that learns of a higher epoch takes it over and stops; it does so too when only the quorum cluster can tell."""

    async def story(sites):
        sites.vm("a")
        sites.group("a", clusters={"primary": "cluster1", "dr": "cluster2", "quorum": "quorum"})
        await sites.until_state("running")
        sites.two.broken = base.TimedOut("the other cluster is frozen")
        sites.clusters["quorum"].put(
            PROTECTION_GROUPS,
            PROTECTION_GROUPS.header("pg-a", NS) | {"spec": sites.get()["spec"]},
            {"epoch": 5, "activeCluster": "cluster2"},
        )
        await sites.until("stopped", lambda: sites.running() == [])
        await sites.until("taken over", lambda: sites.status()["epoch"] == 5)

    play(story, Sites(quorum=True))


def test_an_alias_in_an_epoch_is_the_same_cluster():
    """activeCluster may hold another name of the cluster the group's spec names."""

    async def story(sites):
        sites.vm("a")
        sites.group("a", clusters={"primary": "cluster1", "dr": "dr-cluster"})
        await sites.until("copied", lambda: sites.rows(sites.two) == {"a": "Stopped"})
        await sites.claim(2, "cluster2", sites.two)
        await sites.until("stopped", lambda: sites.running() == [])
        await sites.want("running", sites.two)
        await sites.until_state("running", sites.two)
        assert sites.status()["epoch"] == 2

    play(story)


def test_nobody_claims_a_group_while_another_copy_is_silent():
    """The first claim waits until the other cluster was read; VMs that run are left alone."""

    async def story(sites):
        sites.vm("a", "b")
        sites.two.broken = base.Unreachable("down")
        sites.group("a", "b")
        await sites.until("asked for", lambda: sites.ready()["reason"] == "AuthorityUnknown")
        assert sites.running() == ["a", "b"]
        assert "epoch" not in sites.status()
        sites.two.broken = None
        await sites.until("claimed", lambda: sites.ready()["reason"] == "AsDesired")
        assert sites.status()["epoch"] == 1

    play(story)


def test_equal_epochs_stop_and_start_nothing():
    """A split brain is told, with what to do; only a person's `stopped` is obeyed."""

    async def story(sites):
        sites.vm("a")
        sites.group("a")
        await sites.until("copied", lambda: sites.rows(sites.two) == {"a": "Stopped"})
        sites.two.put(PROTECTION_GROUPS, sites.get(sites.two), {"epoch": 1, "activeCluster": "cluster2"})
        await sites.want("running", sites.two)
        await sites.until("told", lambda: sites.ready()["reason"] == "SplitBrain" == sites.ready(sites.two)["reason"])
        assert (sites.running(), sites.running(sites.two)) == (["a"], [])
        assert "split-brain" in sites.ready()["message"]
        await sites.want("stopped")
        await sites.until_state("stopped")

    play(story)


@pytest.mark.parametrize(("connected", "started"), [(False, False), (True, True)])
def test_without_quorum_a_start_needs_a_word_from_the_other_side(connected, started):
    """A held VM is not started while neither the other copy nor a DRBD connection can be seen."""

    async def story(sites):
        sites.disk("disk", "pvc-1", fenced=False, connected=connected)
        sites.vm("a", claims=["disk"])
        sites.group("a")
        await sites.until("held", lambda: sites.one.of(VIRTUAL_MACHINES, "a", NS)["spec"]["runStrategy"] == "Manual")
        sites.two.broken = base.Unreachable("down")
        sites.one.take(VIRTUAL_MACHINE_INSTANCES, "a", NS)
        if started:
            await sites.until("started again", lambda: sites.running() == ["a"])
        else:
            await sites.until("waiting", lambda: "held" in sites.status()["virtualMachines"][0]["message"])
            assert sites.running() == []
            sites.two.broken = None
            await sites.until("started again", lambda: sites.running() == ["a"])

    play(story)


def test_a_persons_word_that_the_other_cluster_is_down_counts_once():
    """After an unplanned failover a VM without quorum starts though nobody else answers; when its site comes back from a power failure it does not:
    by then it may be the other cluster that runs it."""

    async def story(sites):
        sites.disk("disk", "pvc-1", fenced=True)
        sites.vm("a", claims=["disk"])
        sites.group("a")
        await sites.until("copied", lambda: sites.rows(sites.two) == {"a": "Stopped"})
        sites.one.broken = base.Unreachable("down")
        sites.see("pvc-1", fenced=False, connected=False)
        await sites.until("no quorum", lambda: sites.condition("Fenced", sites.two)["reason"] == "NoQuorum")
        debt = {"cluster": "cluster1", "kind": "stop", "epoch": 2, "failover": "fo"}
        claim = {"epoch": 2, "activeCluster": "cluster2", "debts": [debt]}
        await sites.two.patch(PROTECTION_GROUPS, "pg-a", NS, {"status": claim}, subresource="status")
        await sites.want("running", sites.two)
        await sites.until("started", lambda: sites.running(sites.two) == ["a"])
        noted = lambda: sites.two.of(VIRTUAL_MACHINES, "a", NS)["metadata"]["annotations"].get(STARTED_UNDER)  # noqa: E731
        await sites.until("noted", lambda: noted() == "2")

        sites.two.take(VIRTUAL_MACHINE_INSTANCES, "a", NS)
        await sites.until(
            "held", lambda: "held" in (sites.status(sites.two)["virtualMachines"][0].get("message") or "")
        )
        assert sites.running(sites.two) == []

    play(story)


def test_a_held_vm_is_let_go_when_quorum_is_back():
    """Manual while there is no quorum, Always again afterwards, running all the time."""

    async def story(sites):
        sites.disk("disk", "pvc-1", fenced=False)
        sites.vm("a", claims=["disk"])
        sites.group("a")
        await sites.until("held", lambda: sites.one.of(VIRTUAL_MACHINES, "a", NS)["spec"]["runStrategy"] == "Manual")
        await sites.until("told", lambda: sites.condition("Fenced")["reason"] == "NoQuorum")
        sites.see("pvc-1", fenced=True)
        await sites.until("let go", lambda: sites.one.of(VIRTUAL_MACHINES, "a", NS)["spec"]["runStrategy"] == "Always")

    story_ = play(story).kubevirt["cluster1"].story
    assert story_ == [("started", "a")]


def test_a_held_vm_that_was_stopped_is_let_go_too():
    """Stopped while it was held it keeps the mark as long as quorum is lacking, and stays halted when the mark goes with its return."""

    async def story(sites):
        sites.disk("disk", "pvc-1", fenced=False)
        sites.vm("a", claims=["disk"])
        sites.group("a")
        await sites.until("told", lambda: sites.condition("Fenced")["reason"] == "NoQuorum")
        await sites.want("stopped")
        await sites.until("stopped", lambda: sites.status(sites.one)["currentState"] == "stopped")
        look = lambda: sites.one.of(VIRTUAL_MACHINES, "a", NS)  # noqa: E731
        assert look()["metadata"]["annotations"][HELD] == "true"
        sites.see("pvc-1", fenced=True)
        await sites.until("let go", lambda: HELD not in look()["metadata"]["annotations"])
        assert look()["spec"]["runStrategy"] == "Halted"
        await sites.want("running")
        await sites.until("started", lambda: look()["spec"]["runStrategy"] == "Always")

    play(story)


def test_who_was_halted_is_left_out():
    """A VM that was halted when a running group took it stays halted and does not count; one halted later is started again."""

    async def story(sites):
        sites.vm("a", "b")
        sites.vm("off", runStrategy="Halted")
        sites.group("a", "b", "off")
        await sites.until_state("running")
        assert sites.rows() == {"a": "Running", "b": "Running", "off": "Excluded"}
        await sites.one.patch(VIRTUAL_MACHINES, "a", NS, {"spec": {"runStrategy": "Halted"}})
        await sites.until("stopped", lambda: ("stopped", "a") in sites.kubevirt["cluster1"].story)
        await sites.until("started again", lambda: sites.running() == ["a", "b"])

    play(story)


def test_a_persons_new_strategy_is_kept():
    """A strategy that somebody sets while the VM runs is what comes back after a stop."""

    async def story(sites):
        sites.vm("a")
        sites.group("a")
        await sites.until_state("running")
        await sites.one.patch(VIRTUAL_MACHINES, "a", NS, {"spec": {"runStrategy": "RerunOnFailure"}})
        annotation = "siterecovery.trilio.io/original-run-strategy"
        await sites.until(
            "recorded",
            lambda: sites.one.of(VIRTUAL_MACHINES, "a", NS)["metadata"]["annotations"][annotation] == "RerunOnFailure",
        )
        await sites.want("stopped")
        await sites.until_state("stopped")
        await sites.want("running")
        await sites.until_state("running")
        assert sites.one.of(VIRTUAL_MACHINES, "a", NS)["spec"]["runStrategy"] == "RerunOnFailure"

    play(story)


def test_a_bad_spec_touches_nothing():
    """What a server without CEL let through is told, and no VM is touched."""

    async def story(sites):
        sites.vm("a", "b", runStrategy="Halted")
        sites.group({"name": "a", "dependsOn": ["b"]}, {"name": "b", "dependsOn": ["a"]})
        await sites.until("told", lambda: sites.ready()["reason"] == "InvalidSpec")
        assert "depends on" in sites.ready()["message"]

    assert play(story).kubevirt["cluster1"].story == []


def test_a_member_of_another_group_is_not_touched():
    """A VM belongs to one group: the second one says so and leaves it alone."""

    async def story(sites):
        sites.vm("a")
        vm = sites.one.of(VIRTUAL_MACHINES, "a", NS)
        vm["metadata"]["labels"] = {"siterecovery.trilio.io/protection-group": "pg-b"}
        sites.one.put(VIRTUAL_MACHINES, vm)
        sites.group("a", desiredState="stopped")
        await sites.until("told", lambda: "a is a member of group pg-b" in sites.ready()["message"])
        assert sites.running() == ["a"]

    play(story)


def test_members_by_label():
    """A selector takes the VMs of the namespace that match, also those that come later."""

    async def story(sites):
        def labelled(name):
            sites.vm(name)
            vm = sites.one.of(VIRTUAL_MACHINES, name, NS)
            vm["metadata"]["labels"] = {"app": "shop"}
            sites.one.put(VIRTUAL_MACHINES, vm)

        labelled("a")
        sites.vm("other")
        sites.group(virtualMachines=None, vmSelector={"matchLabels": {"app": "shop"}})
        await sites.until("a", lambda: sites.rows() == {"a": "Running"})
        labelled("b")
        await sites.until("a and b", lambda: sites.rows() == {"a": "Running", "b": "Running"})

    play(story)


def test_a_missing_member_is_told():
    """A member that does not exist keeps the group from being ready, with what to do."""

    async def story(sites):
        sites.vm("a")
        sites.group("a", "ghost")
        await sites.until("told", lambda: sites.ready()["reason"] == "MemberMissing")
        assert "ghost" in sites.ready()["message"]
        assert sites.rows()["ghost"] == "Missing"

    play(story)


def test_a_silent_node_makes_it_unknown():
    """A VM on a node that does not respond is not judged, and the group is unknown until it is."""

    async def story(sites):
        sites.vm("a", "b")
        sites.group("a", "b")
        await sites.until_state("running")
        sites.one.put(NODES, NODES.header("n1"), {"conditions": [{"type": "Ready", "status": "Unknown"}]})
        await sites.until_state("unknown")
        sites.one.put(NODES, NODES.header("n1"), {"conditions": [{"type": "Ready", "status": "True"}]})
        await sites.until_state("running")

    play(story)


def test_deleting_a_group_waits_for_its_failover():
    """While a Failover is under way the group stays; then it goes, its VMs run on, and nothing of ours is left on them."""

    async def story(sites):
        sites.vm("a")
        sites.group("a")
        await sites.until_state("running")
        spec = {"protectionGroup": "pg-a", "targetCluster": "cluster2"}
        failover = FAILOVERS.header("f", NS) | {"spec": spec}
        sites.one.put(FAILOVERS, failover, {"phase": "Running"})
        await sites.one.delete(PROTECTION_GROUPS, "pg-a", NS)
        await sites.until("told", lambda: "f" in events(sites.one)["DeletionWaits"])
        assert sites.get()["metadata"]["finalizers"]
        sites.one.put(FAILOVERS, failover, {"phase": "Succeeded"})
        sites.one.put(PROTECTION_GROUPS, sites.get() | {"spec": sites.get()["spec"] | {"desiredState": "stopped"}})
        await sites.until("gone", lambda: not any(key[0] == PROTECTION_GROUPS.plural for key in sites.one.objects))
        assert sites.running() == ["a"]
        assert "siterecovery" not in str(sites.one.of(VIRTUAL_MACHINES, "a", NS)["metadata"])

    play(story)


def test_a_refused_stop_is_tried_again_and_told():
    """While KubeVirt's webhook is down nothing stops; the group says why, and goes on when it is back."""

    async def story(sites):
        sites.vm("a", "b")
        sites.group("a", "b")
        await sites.until_state("running")

        def webhook(verb, resource, name):
            down = verb == "patch" and resource is VIRTUAL_MACHINES and name == "b"
            return base.Unavailable("failed calling webhook") if down else None

        sites.one.broken = webhook
        await sites.want("stopped")
        await sites.until("told", lambda: "webhook" in sites.ready()["message"])
        await sites.until("one is down", lambda: sites.running() == ["b"])
        sites.one.broken = None
        await sites.until_state("stopped")

    play(story)


def test_a_quiet_group_is_not_written():
    """A group in which nothing changes costs no write."""

    async def story(sites):
        sites.vm("a")
        sites.group("a")
        await sites.until("ready to move", lambda: sites.condition("FailoverReady")["reason"] == "Ready")
        await sites.until("quiet", lambda: quiet(sites))

    def quiet(sites):
        before = sites.get()["metadata"]["resourceVersion"]
        looks = sum(call[0] == "apply" for call in sites.one.calls)
        seen.append((before, looks))
        return len(seen) > 150 and seen[-100] == seen[-1]

    seen = []
    play(story)


def test_who_is_taken_out_keeps_nothing_of_ours():
    """A VM that is no member any more is as it was before it became one, and runs on."""

    async def story(sites):
        sites.disk("disk", "pvc-1", fenced=False)
        sites.vm("a")
        sites.vm("b", claims=["disk"])
        sites.group("a", "b")
        await sites.until("held", lambda: sites.one.of(VIRTUAL_MACHINES, "b", NS)["spec"]["runStrategy"] == "Manual")
        await sites.one.patch(PROTECTION_GROUPS, "pg-a", NS, {"spec": {"virtualMachines": [{"name": "a"}]}})
        await sites.until(
            "free", lambda: "siterecovery" not in str(sites.one.of(VIRTUAL_MACHINES, "b", NS)["metadata"])
        )
        assert sites.one.of(VIRTUAL_MACHINES, "b", NS)["spec"]["runStrategy"] == "Always"
        assert sites.running() == ["a", "b"]

    assert play(story).kubevirt["cluster1"].story == [("started", "a"), ("started", "b")]


def test_nobody_waits_for_ever():
    """A member that never comes up holds the others up for its own limit only."""

    async def story(sites):
        sites.vm("first", "second", runStrategy="Halted")
        first = {"name": "first", "priority": 1, "readiness": {"condition": "Ready", "timeoutSeconds": 1}}
        sites.kubevirt["cluster1"].stuck.add("first")
        sites.group(first, "second", desiredState="stopped")
        sites.one.put(VIRTUAL_MACHINES, sites.one.of(VIRTUAL_MACHINES, "first", NS), {"printableStatus": "Stopped"})
        await sites.until_state("stopped")
        await sites.want("running")
        await sites.until("waiting", lambda: sites.rows()["second"] == "Waiting")
        assert sites.running() == []
        await sites.until("the second", lambda: sites.running() == ["second"])

    play(story)


def test_a_stranger_on_the_other_cluster_is_not_touched():
    """A VM there that only has a member's name is neither stopped nor marked nor written; both sides say so."""

    async def story(sites):
        sites.vm("a", "b", cluster=sites.two)
        sites.vm("a")
        sites.group("a")
        await sites.until("told there", lambda: sites.ready(sites.two)["reason"] == "NotItsOwn")
        await sites.until("told here", lambda: "not this group's" in sites.condition("FailoverReady")["message"])
        assert sites.running(sites.two) == ["a", "b"]
        assert "siterecovery" not in str(sites.two.of(VIRTUAL_MACHINES, "a", NS)["metadata"])

    assert play(story).kubevirt["cluster2"].story == [("started", "a"), ("started", "b")]
