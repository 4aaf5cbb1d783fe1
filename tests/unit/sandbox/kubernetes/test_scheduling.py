"""A Pod goes where kube-scheduler would send it, and what keeps it from anywhere is told in kube-scheduler's words."""

from typing import Any

import pytest

from sandbox.kubernetes.agent.scheduling import claim_names, place

LOST_QUORUM = {"key": "drbd.linbit.com/lost-quorum", "effect": "NoSchedule"}


def node(name: str, *taints: dict[str, str], ready: str = "True", **labels: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **labels}},
        "spec": {"taints": list(taints)},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }


def pod(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"namespace": "shop", "name": "pod"}, "spec": spec}


def requiring(key: str, operator: str, *values: str) -> dict[str, Any]:
    term = {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}


def test_least_loaded_node_is_chosen() -> None:
    """Of two nodes that fit, the one with fewer Pods takes the next."""
    assert place(pod(), [node("a"), node("b")], {}, {"a": 2, "b": 1}) == ("b", "")


@pytest.mark.parametrize(
    ("toleration", "chosen"),
    [
        ({"operator": "Exists"}, "a"),
        ({"key": "drbd.linbit.com/lost-quorum", "operator": "Exists", "effect": "NoSchedule"}, "a"),
        ({"key": "drbd.linbit.com/lost-quorum", "operator": "Exists", "effect": "NoExecute"}, ""),
        ({"key": "drbd.linbit.com/lost-quorum", "value": "yes"}, ""),
        ({"key": "other", "operator": "Exists"}, ""),
    ],
)
def test_taint_keeps_away_who_does_not_tolerate_it(toleration: dict[str, str], chosen: str) -> None:
    """A toleration covers a taint only where key, value and effect agree."""
    assert place(pod(tolerations=[toleration]), [node("a", LOST_QUORUM)], {}, {})[0] == chosen


def test_every_reason_is_told_with_its_count() -> None:
    """The message counts the nodes for each reason, as `kubectl describe pod` shows it."""
    nodes = [node("a", LOST_QUORUM), node("b", LOST_QUORUM), node("c", ready="Unknown")]

    _, told = place(pod(), nodes, {}, {})

    taint = "node(s) had untolerated taint {drbd.linbit.com/lost-quorum: }"
    assert told == f"0/3 nodes are available: 2 {taint}, 1 node(s) were not ready."


def test_taint_that_only_prefers_keeps_nobody_away() -> None:
    """PreferNoSchedule is no obstacle."""
    taint = {"key": "busy", "effect": "PreferNoSchedule"}
    assert place(pod(), [node("a", taint)], {}, {}) == ("a", "")


@pytest.mark.parametrize(
    ("affinity", "chosen"),
    [
        (requiring("zone", "In", "north"), "a"),
        (requiring("zone", "NotIn", "north"), "b"),
        (requiring("zone", "DoesNotExist"), "b"),
        (requiring("zone", "Exists"), "a"),
        (requiring("zone", "In", "south"), ""),
    ],
)
def test_required_affinity_chooses_the_node(affinity: dict[str, Any], chosen: str) -> None:
    """Required node affinity is obeyed."""
    assert place(pod(affinity=affinity), [node("a", zone="north"), node("b")], {}, {})[0] == chosen


def test_unbound_claim_keeps_a_pod_waiting() -> None:
    """A claim that is missing or not bound is told before any node is looked at."""
    wanting = pod(volumes=[{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}])
    pending, bound = ({"shop/data": {"status": {"phase": phase}}} for phase in ("Pending", "Bound"))

    assert place(wanting, [node("a")], {}, {})[1] == 'persistentvolumeclaim "data" not found'
    assert place(wanting, [node("a")], pending, {})[1] == "pod has unbound immediate PersistentVolumeClaims"
    assert place(wanting, [node("a")], bound, {}) == ("a", "")


def test_data_volumes_claim_has_its_name() -> None:
    """A VM's dataVolume is found as a claim of the same name; other volumes have none."""
    volumes = [{"dataVolume": {"name": "root"}}, {"containerDisk": {"image": "x"}}]
    assert claim_names({"volumes": volumes}) == ["root"]
