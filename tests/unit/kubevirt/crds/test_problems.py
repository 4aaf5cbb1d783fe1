"""What is wrong with an object, said without an API server."""

import pytest

from siterecovery.kubevirt.crds.kinds import problems
from siterecovery.kubevirt.crds.protection_group import ProtectionGroup

CLUSTERS = {"primary": "cluster1", "dr": "cluster2"}


def group(**spec):
    return {
        "kind": "ProtectionGroup",
        "metadata": {"name": "pg-a", "namespace": "site-recovery", "generation": 1},
        "spec": {"clusters": CLUSTERS, "virtualMachines": [{"name": "vm1"}, {"name": "vm2"}]} | spec,
    }


def failover(generation=1, **spec):
    return {
        "kind": "Failover",
        "metadata": {"name": "f", "namespace": "site-recovery", "generation": generation},
        "spec": {"protectionGroup": "pg-a", "targetCluster": "dr-cluster"} | spec,
    }


def test_the_documented_failover_is_good():
    """The Failover of the product's page, with `force: false`, has no problem."""
    assert problems(failover(force=False)) == []


def test_a_group_defaults_to_running_on_linstor():
    """What is left out gets the documented defaults."""
    spec = ProtectionGroup.parse(group()).spec
    assert (spec.desired_state, spec.storage.backend, spec.virtual_machines[0].priority) == ("running", "linstor", 3)


@pytest.mark.parametrize(
    ("spec", "word"),
    [
        ({"virtualMachines": None}, "either virtualMachines or vmSelector"),
        ({"vmSelector": {"matchLabels": {"app": "x"}}}, "either virtualMachines or vmSelector"),
        ({"clusters": {"primary": "a", "dr": "a"}}, "two clusters"),
        ({"storage": {"backend": "linstor", "policy": "p"}}, "policy belongs to backend drbd-operator"),
        ({"virtualMachines": [{"name": "a", "dependsOn": ["a"]}]}, "cannot depend on itself"),
        ({"virtualMachines": [{"name": "a", "dependsOn": ["b"]}]}, "a depends on b, which is not a member"),
        ({"virtualMachines": [{"name": "a"}, {"name": "a"}]}, "a is named twice"),
        ({"virtualMachines": [{"name": "a", "priority": 6}]}, "spec.virtualMachines.0.priority"),
        ({"desiredState": "paused"}, "spec.desiredState"),
        ({"virtualMachines": []}, "spec.virtualMachines"),
        ({"clusters": None}, "spec.clusters"),
    ],
)
def test_a_bad_group_is_explained(spec, word):
    """Each rule of a group, and each bound, gives exactly one sentence that names the place or the remedy."""
    (sentence,) = problems(group(**spec))
    assert word in sentence


def test_a_circle_of_dependencies_is_named():
    """Members that wait for one another for ever are told along their circle."""
    members = [{"name": "a", "dependsOn": ["b"]}, {"name": "b", "dependsOn": ["c"]}, {"name": "c", "dependsOn": ["a"]}]
    (sentence,) = problems(group(virtualMachines=members))
    assert "a depends on b depends on c depends on a" in sentence


def test_a_long_chain_and_a_diamond_are_no_circle():
    """A thousand members in a row, and two ways to the same member, are good."""
    chain = [{"name": f"v{n}", "dependsOn": [f"v{n + 1}"] if n < 999 else []} for n in range(1000)]
    diamond = [{"name": n, "dependsOn": d} for n, d in (("a", ["b", "c"]), ("b", ["d"]), ("c", ["d"]), ("d", []))]
    assert [problems(group(virtualMachines=members)) for members in (chain, diamond)] == [[], []]


def test_what_must_not_change_is_refused():
    """Clusters and backend of a group, and everything of a Failover, stay as they were created."""
    moved = group(clusters={"primary": "cluster2", "dr": "cluster1"})
    other = group(storage={"backend": "drbd-operator"})
    sentences = [problems(moved, group()), problems(other, group()), problems(failover(force=True), failover())]
    assert [len(found) for found in sentences] == [1, 1, 1]
    assert "create another one" in sentences[2][0]


def test_a_changed_failover_is_seen_by_its_generation():
    """On a server without CEL a Failover that was edited is found without its former self."""
    assert "changed after" in problems(failover(generation=2))[0]


def test_a_deleted_failover_was_not_changed():
    """The server counts a deletion as a generation too; one more than that is a change."""
    deleted = {"deletionTimestamp": "2026-11-21T10:00:00Z"}
    for generation, found in ((2, 0), (3, 1)):
        wire = failover(generation=generation)
        wire["metadata"] |= deleted
        assert len(problems(wire)) == found


@pytest.mark.parametrize(
    ("spec", "word"),
    [
        ({"type": "unplanned"}, "needs confirmSourceDown"),
        ({"confirmSourceDown": True}, "belongs to type: unplanned"),
        ({"type": "sideways"}, "spec.type"),
        ({"targetCluster": "Not A Cluster"}, "spec.targetCluster"),
    ],
)
def test_a_bad_failover_is_explained(spec, word):
    """Each rule of a Failover gives one sentence."""
    (sentence,) = problems(failover(**spec))
    assert word in sentence


def test_authority_never_goes_back():
    """An epoch that goes down, or an active cluster that changes without a higher one, is refused."""
    now = group() | {"status": {"epoch": 3, "activeCluster": "cluster1"}}
    lower = group() | {"status": {"epoch": 2, "activeCluster": "cluster1"}}
    moved = group() | {"status": {"epoch": 3, "activeCluster": "cluster2"}}
    raised = group() | {"status": {"epoch": 4, "activeCluster": "cluster2"}}
    assert [len(problems(found, now)) for found in (lower, moved, raised)] == [1, 1, 0]


def test_an_unknown_kind_is_named():
    """What is not ours is said to be not ours."""
    assert "'Pod' is none of" in problems({"kind": "Pod"})[0]


def test_status_writes_only_what_was_set():
    """A status that was never set is an empty object on the wire: nobody else's field is taken over."""
    assert ProtectionGroup.parse(group()).status.wire() == {}
