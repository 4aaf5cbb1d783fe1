"""What the group controller tells and does while KubeVirt is just writing into the same VMs."""

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.domain.resources import (
    PROTECTION_GROUPS,
    VIRTUAL_MACHINE_INSTANCES,
    VIRTUAL_MACHINES,
)
from unit.kubevirt.controllers.sites import NS, play


def losing_races(cluster, name, times):
    """The first patches of that VM come too late: KubeVirt writes into one that has just been created all the time."""
    left = [times]

    def broken(verb, resource, what):
        if (verb, what) == ("patch", name) and left[0]:
            left[0] -= 1
            return base.Conflict("the object has been modified", cluster=cluster.name, status=409)
        return None

    cluster.broken = broken


def test_a_stop_right_after_the_start_is_not_taken_for_done():
    """A member that could not be marked yet is no stranger: a group whose VM runs is never called stopped, and the stop is carried out."""

    async def story(sites):
        sites.vm("a")
        sites.kubevirt["cluster1"].start(NS, "a")
        losing_races(sites.one, "a", 3)
        sites.group("a", desiredState="stopped")
        await sites.until_state("stopped")
        assert sites.running() == []

    sites = play(story)
    assert _stopped_while_running(sites) == []


def _stopped_while_running(sites):
    """Versions at which the group was told to be stopped while an instance was there."""
    up, found = set(), []
    for version, kind, key, obj in sites.one.events:
        if key[0] == VIRTUAL_MACHINE_INSTANCES.plural:
            (up.discard if kind == "DELETED" else up.add)(key[2])
        told = (obj.get("status") or {}).get("currentState") == "stopped"
        if key[0] == PROTECTION_GROUPS.plural and told and up:
            found.append(version)
    return found


def test_running_is_told_when_the_last_member_runs():
    """A member that could not be marked yet counts: a group is not called running, and mixed again a moment later."""

    async def story(sites):
        sites.vm("a", "b")
        for name in "ab":
            sites.kubevirt["cluster1"].start(NS, name)
        sites.one.take(VIRTUAL_MACHINE_INSTANCES, "b", NS)
        sites.kubevirt["cluster1"].stuck.add("b")
        losing_races(sites.one, "b", 3)
        sites.group("a", "b")
        await sites.until("both are told", lambda: sites.rows().get("b") == "Starting")
        sites.kubevirt["cluster1"].stuck.clear()
        await sites.until_state("running")

    assert play(story).told() == ["mixed", "running"]


def test_a_former_member_does_not_keep_the_others_from_stopping():
    """What fails for a VM that was taken out is told; a stop goes on all the same."""

    async def story(sites):
        sites.vm("a", "b")
        sites.group("a", "b")
        await sites.until_state("running")

        def broken(verb, resource, name):
            no = base.Forbidden("a webhook says no", cluster="cluster1", status=403)
            return no if (verb, name) == ("patch", "b") else None

        sites.one.broken = broken
        group = sites.get()
        spec = group["spec"] | {"virtualMachines": [{"name": "a"}], "desiredState": "stopped"}
        await sites.one.patch(PROTECTION_GROUPS, "pg-a", NS, {"spec": spec})
        await sites.until("stopped", lambda: "a" not in sites.running())
        await sites.until("told", lambda: sites.status()["currentState"] == "stopped")

    play(story)


def test_a_start_that_kubevirt_is_about_to_make_is_not_overtaken():
    """Halted before KubeVirt has taken note of the start, a VM would look stopped until its instance appears: the stop waits for that moment."""

    async def story(sites):
        sites.vm("a", runStrategy="Halted")
        sites.group("a", desiredState="stopped")
        await sites.until_state("stopped")
        sites.kubevirt["cluster1"].stuck.add("a")
        await sites.want("running")
        await sites.until(
            "set to run", lambda: sites.one.of(VIRTUAL_MACHINES, "a", NS)["spec"]["runStrategy"] == "Always"
        )
        await sites.want("stopped")
        await sites.until(
            "waiting", lambda: "taken note" in (sites.status()["virtualMachines"][0].get("message") or "")
        )
        sites.kubevirt["cluster1"].start(NS, "a")  # by what it had read before
        sites.kubevirt["cluster1"].stuck.clear()
        await sites.until_state("stopped")
        assert sites.running() == []

    sites = play(story)
    assert _stopped_while_running(sites) == []
    assert sites.told()[-2:] == ["mixed", "stopped"]


def test_a_kubevirt_that_is_down_does_not_keep_a_stop_from_being_obeyed():
    """After a moment the VM is halted all the same."""

    async def story(sites):
        sites.vm("a", runStrategy="Halted")
        sites.group("a", desiredState="stopped")
        await sites.until_state("stopped")
        sites.kubevirt["cluster1"].stuck.add("a")
        await sites.want("running")
        await sites.until(
            "set to run", lambda: sites.one.of(VIRTUAL_MACHINES, "a", NS)["spec"]["runStrategy"] == "Always"
        )
        await sites.want("stopped")
        await sites.until("halted", lambda: sites.one.of(VIRTUAL_MACHINES, "a", NS)["spec"]["runStrategy"] == "Halted")

    play(story)
