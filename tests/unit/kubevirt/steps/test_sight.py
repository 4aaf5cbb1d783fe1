"""The rules of a move: where a group runs, who is in the way of a removal of taints, and who came first."""

import datetime

import pytest

from siterecovery.kubevirt.domain.virtual_machine import Observed, Power
from siterecovery.kubevirt.steps.sight import (
    Removal,
    Sight,
    earlier,
    location,
    member_names,
    not_up,
    occupants,
    removal,
    sight,
)


def observed(power, *, halted=False, reason=""):
    return Observed(power, halted=halted, reason=reason)


def group(name, *members, namespace="prod", **spec):
    members = {"virtualMachines": [{"name": member} for member in members]} if members else {}
    return {"metadata": {"name": name, "namespace": namespace}, "spec": members | spec, "status": {}}


def instance(name, phase="Running", namespace="prod"):
    return {"metadata": {"name": name, "namespace": namespace}, "status": {"phase": phase}}


def machine(name, namespace="prod", **labels):
    return {"metadata": {"name": name, "namespace": namespace, "labels": labels}}


def failover(uid, begun, phase="Running", target="cluster2"):
    status = {"phase": phase} | ({"startedAt": begun} if begun else {})
    return {"metadata": {"uid": uid}, "spec": {"targetCluster": target}, "status": status}


RUNNING, NOTHING, UNKNOWN = Sight(running=("web",)), Sight(), Sight(unknown=("web",))


@pytest.mark.parametrize(
    ("source", "target", "where"),
    [
        (RUNNING, NOTHING, "cluster1"),
        (NOTHING, RUNNING, "cluster2"),
        (RUNNING, Sight(running=("db",)), "both"),
        (NOTHING, NOTHING, "none"),
        (UNKNOWN, NOTHING, "unknown"),
        (RUNNING, UNKNOWN, "unknown"),
        (None, NOTHING, "unknown"),
        (None, RUNNING, "unknown"),
    ],
)
def test_location_is_one_cluster_or_no_answer(source, target, where):
    """A group is somewhere only when both sides were seen; one VM on each side is both, whichever VMs they are."""
    assert location("cluster1", "cluster2", source, target) == where


def test_a_vm_that_starts_or_stops_runs():
    """Only a VM without any instance is not running; what cannot be judged is neither."""
    seen = sight(
        {
            "a": observed(Power.STARTING),
            "b": observed(Power.STOPPING),
            "c": observed(Power.STOPPED, halted=True),
            "d": observed(Power.COMPLETED),
            "e": observed(Power.UNKNOWN, reason="node n1 does not respond"),
        }
    )
    assert seen.running == ("a", "b")
    assert seen.unknown == ("e",)
    assert seen.reasons == ("node n1 does not respond",)
    assert seen.not_halted == ("a", "b", "d", "e")


def test_who_stays_halted_is_not_missed():
    """A member that was halted when it was protected, and a guest that went to rest by itself, do not keep a group from being up."""
    seen = {"up": observed(Power.RUNNING), "rest": observed(Power.COMPLETED), "off": observed(Power.STOPPED)}
    assert not_up(seen, ["off"]) == []
    assert not_up(seen, []) == ["off"]


def test_another_groups_live_instances_are_in_the_way():
    """What counts are instances, in any namespace, whatever a status says; the group's own, finished ones, and VMs of nobody do not."""
    groups = [
        group("pg-a", "a1"),
        group("pg-b", "b1", "b2"),
        group("pg-c", "c1"),
        group("pg-d", "d1", namespace="other"),
        group("pg-e", vmSelector={"matchLabels": {"tier": "web"}}),
    ]
    instances = [
        instance("a1"),
        instance("b2", "Scheduling"),
        instance("c1", "Succeeded"),
        instance("d1", namespace="other"),
        instance("e1"),
        instance("nobody"),
    ]
    machines = [machine("e1", tier="web"), machine("e2", tier="db"), machine("e3", namespace="other", tier="web")]

    assert occupants(("prod", "pg-a"), groups, instances, machines) == ["pg-b", "other/pg-d", "pg-e"]
    assert member_names(groups[-1], machines) == ["e1"]


def test_of_two_failovers_only_the_later_sees_the_other():
    """Two that look at one another never stop each other: by their beginning, and by their UIDs when it was the same second."""
    first, second = failover("a", "2026-11-21T10:00:00Z"), failover("b", "2026-11-21T10:00:00Z")
    later, over = failover("c", "2026-11-21T11:00:00Z"), failover("d", "2026-11-21T09:00:00Z", "Succeeded")
    untouched = failover("e", None, "Pending")
    everybody = [first, second, later, over, untouched]

    assert earlier(first, everybody) == []
    assert earlier(second, everybody) == [first]
    assert earlier(later, everybody) == [first, second]


def test_taints_removed_a_moment_ago_may_come_back():
    """While a failover removes taints they count as there; when it is over the agent gets a few seconds to look, and no more."""
    now = datetime.datetime(2026, 11, 21, 10, tzinfo=datetime.UTC)
    removed = {"steps": [{"name": "remove_quorum_taints", "result": '{"removed":2}'}]}
    nothing = {"steps": [{"name": "remove_quorum_taints", "result": '{"removed":0}'}]}

    seen = [
        removal({"status": status}, now)
        for status in (
            removed,
            removed | {"completedAt": "2026-11-21T09:59:55Z"},
            removed | {"completedAt": "2026-11-21T09:59:00Z"},
            nothing,
            {"steps": [{"name": "remove_quorum_taints"}]},
            {},
        )
    ]

    assert seen == [Removal.UNDER_WAY, Removal.JUST_OVER, *[Removal.NONE] * 4]
