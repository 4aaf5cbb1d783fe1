"""Where a Pod may go: the rules of kube-scheduler that VMs and failovers meet. No resources, no preemption, no affinity between Pods."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from sandbox.kubernetes.client import Object

_KEEPS_AWAY = ("NoSchedule", "NoExecute")


def place(
    pod: Object, nodes: Iterable[Object], claims: Mapping[str, Object], load: Mapping[str, int]
) -> tuple[str, str]:
    """(node, "") for the least loaded that fits, else ("", why not) in kube-scheduler's words."""
    unbound = _unbound(pod, claims)
    if unbound:
        return "", unbound
    reasons: Counter[str] = Counter()
    fitting = []
    for node in nodes:
        reason = _objection(pod["spec"], node)
        if reason:
            reasons[reason] += 1
        else:
            fitting.append(str(node["metadata"]["name"]))
    if fitting:
        return min(fitting, key=lambda name: (load.get(name, 0), name)), ""
    told = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
    return "", f"0/{reasons.total()} nodes are available: {told}."


def claim_names(spec: Object) -> list[str]:
    """The claims that a Pod's or an instance's volumes name; a DataVolume's claim has its name."""
    named = []
    for volume in spec.get("volumes") or []:
        claim = (volume.get("persistentVolumeClaim") or {}).get("claimName") or (volume.get("dataVolume") or {}).get(
            "name"
        )
        if claim:
            named.append(str(claim))
    return named


def _unbound(pod: Object, claims: Mapping[str, Object]) -> str:
    for name in claim_names(pod["spec"]):
        claim = claims.get(f"{pod['metadata']['namespace']}/{name}")
        if claim is None:
            return f'persistentvolumeclaim "{name}" not found'
        if claim.get("status", {}).get("phase") != "Bound":
            return "pod has unbound immediate PersistentVolumeClaims"
    return ""


def _objection(spec: Object, node: Object) -> str:
    labels = node["metadata"].get("labels") or {}
    if node["spec"].get("unschedulable"):
        return "node(s) were unschedulable"
    if not _selected(spec, labels):
        return "node(s) didn't match Pod's node affinity/selector"
    for taint in node["spec"].get("taints") or []:
        if taint["effect"] in _KEEPS_AWAY and not tolerated(spec, taint):
            return f"node(s) had untolerated taint {{{taint['key']}: {taint.get('value', '')}}}"
    conditions = node.get("status", {}).get("conditions") or []
    if not any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions):
        return "node(s) were not ready"
    return ""


def tolerated(spec: Object, taint: Object) -> bool:
    """Whether one of the Pod's tolerations covers the taint."""
    return any(_covers(toleration, taint) for toleration in spec.get("tolerations") or [])


def _covers(toleration: Object, taint: Object) -> bool:
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    if toleration.get("key") and toleration["key"] != taint["key"]:
        return False
    return toleration.get("operator") == "Exists" or toleration.get("value", "") == taint.get("value", "")


def _selected(spec: Object, labels: Mapping[str, str]) -> bool:
    if any(labels.get(key) != value for key, value in (spec.get("nodeSelector") or {}).items()):
        return False
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    terms = (affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}).get("nodeSelectorTerms") or []
    return not terms or any(
        all(_matches(rule, labels) for rule in term.get("matchExpressions") or []) for term in terms
    )


def _matches(rule: Object, labels: Mapping[str, str]) -> bool:
    value, wanted = labels.get(rule["key"]), rule.get("values") or []
    match rule["operator"]:
        case "In":
            return value in wanted
        case "NotIn":
            return value not in wanted
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    return False  # Gt and Lt, which nothing here uses
