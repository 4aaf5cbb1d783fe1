"""What is true of one VM, from its objects: VirtualMachine, VirtualMachineInstance, launcher Pods and the node. Pure.

`printableStatus` is not used: it says Stopped before the instance is gone, and flashes Stopped in every restart. A dead node's instance says
Running for ever, so what an unresponsive node holds is unknown."""

import dataclasses
import enum
from collections.abc import Mapping, Sequence
from typing import Any

from siterecovery.kubevirt.domain.names import HELD, ORIGINAL_RUN, STARTED_UNDER

HALTED, MANUAL, ALWAYS = "Halted", "Manual", "Always"
_RUNNING_FIELD = "running="
_LEFT_ALONE = frozenset({"RerunOnFailure", "Once"})
"""Strategies that leave a guest at that which has shut down by itself."""
LAUNCHER_LABEL = "kubevirt.io=virt-launcher"
DOMAIN = "kubevirt.io/domain"
"""Annotation of a launcher Pod: its VM's name, also where the label would be too long."""


class Power(enum.StrEnum):
    RUNNING = "running"
    STARTING = "starting"
    STOPPING = "stopping"
    STOPPED = "stopped"
    """No instance, no launcher, and nothing that would start one."""
    COMPLETED = "completed"
    """Its guest has shut down by itself, and its strategy leaves it at that."""
    UNKNOWN = "unknown"


@dataclasses.dataclass(frozen=True)
class Observed:
    power: Power
    halted: bool
    """Proven: Halted is acknowledged, there is no instance and no launcher. This, and nothing less, is *stopped* for a move."""
    node: str | None = None
    reason: str = ""
    """Why it is not running or not known, for a person."""
    conditions: frozenset[str] = frozenset()
    """Conditions of the instance that are True: Ready, AgentConnected, …"""
    exists: bool = True


def run_of(vm: Mapping[str, Any]) -> str:
    """What it is set to, in the words of the annotation: a run strategy, or `running=true` where the old field is in use."""
    spec = vm.get("spec") or {}
    if spec.get("running") is not None:
        return f"{_RUNNING_FIELD}{str(spec['running']).lower()}"
    return str(spec.get("runStrategy") or HALTED)


def strategy_of(run: str) -> str:
    """The strategy that stands for it: `running=true` is Always, `running=false` is Halted."""
    return {"running=true": ALWAYS, "running=false": HALTED}.get(run, run)


def is_halted(vm: Mapping[str, Any]) -> bool:
    return strategy_of(run_of(vm)) == HALTED


def recorded(vm: Mapping[str, Any]) -> str | None:
    """The run it was set to before this product changed it."""
    found = (vm["metadata"].get("annotations") or {}).get(ORIGINAL_RUN)
    return str(found) if found else None


def is_held(vm: Mapping[str, Any]) -> bool:
    return (vm["metadata"].get("annotations") or {}).get(HELD) == "true"


def started_under(vm: Mapping[str, Any]) -> int | None:
    """The group's epoch under which it was started last while it was held."""
    found = (vm["metadata"].get("annotations") or {}).get(STARTED_UNDER, "")
    return int(found) if found.isdigit() else None


def is_excluded(vm: Mapping[str, Any]) -> bool:
    """It was halted when it became a member: it stays so, and does not count."""
    run = recorded(vm)
    return run is not None and strategy_of(run) == HALTED


def run_fields(vm: Mapping[str, Any], run: str) -> dict[str, Any]:
    """The merge patch of `spec` that sets it to `run`: one of the two fields, the other taken out where it is in use."""
    spec = vm.get("spec") or {}
    if run.startswith(_RUNNING_FIELD):
        fields: dict[str, Any] = {"running": run == "running=true"}
        return fields | ({"runStrategy": None} if spec.get("runStrategy") is not None else {})
    return {"runStrategy": run} | ({"running": None} if spec.get("running") is not None else {})


def is_unseen(vm: Mapping[str, Any], instance: Mapping[str, Any] | None) -> bool:
    """It is set to run, has no instance, and KubeVirt has not taken note of what it is set to."""
    strategy = strategy_of(run_of(vm))
    return strategy != HALTED and instance is None and (vm.get("status") or {}).get("runStrategy") != strategy


def halted_fields(vm: Mapping[str, Any]) -> dict[str, Any]:
    """The merge patch of `spec` that stops it, on the field that is in use."""
    return {"running": False} if (vm.get("spec") or {}).get("running") is not None else {"runStrategy": HALTED}


def observe(
    vm: Mapping[str, Any] | None,
    instance: Mapping[str, Any] | None,
    launchers: Sequence[Mapping[str, Any]],
    unresponsive: frozenset[str] = frozenset(),
) -> Observed:
    """`launchers`: its launcher Pods; `unresponsive`: names of nodes whose word is not to be trusted."""
    alive = [pod for pod in launchers if (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")]
    node = _node(instance, alive)
    if (instance is not None or alive) and node in unresponsive:
        return _seen(Power.UNKNOWN, vm, node, f"node {node} does not respond: nobody knows whether the guest runs")
    if instance is not None:
        return _with_instance(vm, instance, node)
    if alive:
        return _seen(Power.STOPPING, vm, node, f"launcher Pod {alive[0]['metadata']['name']} is still there")
    return _without_instance(vm)


def _node(instance: Mapping[str, Any] | None, launchers: Sequence[Mapping[str, Any]]) -> str | None:
    found = (instance or {}).get("status") or {}
    if found.get("nodeName"):
        return str(found["nodeName"])
    return next((str(pod["spec"]["nodeName"]) for pod in launchers if (pod.get("spec") or {}).get("nodeName")), None)


def _seen(power: Power, vm: Mapping[str, Any] | None, node: str | None, reason: str = "") -> Observed:
    return Observed(power, halted=False, node=node, reason=reason, exists=vm is not None)


def _with_instance(vm: Mapping[str, Any] | None, instance: Mapping[str, Any], node: str | None) -> Observed:
    status = instance.get("status") or {}
    phase = status.get("phase") or "Pending"
    if phase in ("Succeeded", "Failed"):
        return _final(vm, phase, node)
    if instance["metadata"].get("deletionTimestamp"):
        return _seen(Power.STOPPING, vm, node, f"its guest is shutting down (instance {phase})")
    if phase == "Unknown":
        return _seen(Power.UNKNOWN, vm, node, "KubeVirt has lost sight of its guest")
    if phase != "Running":
        return _seen(Power.STARTING, vm, node, _why_not_running(status, phase))
    if vm is not None and is_halted(vm):
        return _seen(Power.STOPPING, vm, node, "it is halted, and its guest is not shutting down yet")
    conditions = frozenset(item["type"] for item in status.get("conditions") or () if item.get("status") == "True")
    return Observed(Power.RUNNING, halted=False, node=node, conditions=conditions, exists=vm is not None)


def _final(vm: Mapping[str, Any] | None, phase: str, node: str | None) -> Observed:
    """Always takes a final instance away and starts another; Halted takes it away; Manual and Once keep it."""
    strategy = strategy_of(run_of(vm)) if vm is not None else HALTED
    if strategy in _LEFT_ALONE and phase == "Succeeded":
        return _seen(Power.COMPLETED, vm, node, "its guest has shut down by itself")
    if strategy == HALTED:
        return _seen(Power.STOPPING, vm, node, f"its instance is {phase} and not gone yet")
    if strategy == MANUAL or strategy in _LEFT_ALONE:
        return _seen(Power.STOPPED, vm, node, f"its guest has ended ({phase})")
    return _seen(Power.STARTING, vm, node, f"its guest has ended ({phase}) and is started again")


def _why_not_running(status: Mapping[str, Any], phase: str) -> str:
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return f"no node takes it: {condition.get('message') or condition.get('reason')}"
    return f"its instance is {phase}"


def _without_instance(vm: Mapping[str, Any] | None) -> Observed:
    if vm is None:
        return Observed(Power.STOPPED, halted=True, reason="there is no such virtual machine", exists=False)
    strategy = strategy_of(run_of(vm))
    status = vm.get("status") or {}
    acknowledged = _acknowledged(status, strategy)
    if strategy == HALTED:
        if acknowledged:
            return Observed(Power.STOPPED, halted=True)
        return _seen(Power.STOPPING, vm, None, "KubeVirt has not taken note of Halted yet")
    if strategy == MANUAL and acknowledged and not status.get("stateChangeRequests"):
        return _seen(Power.STOPPED, vm, None, "it waits for a start")
    if strategy in _LEFT_ALONE and acknowledged and status.get("printableStatus") == "Stopped":
        return _seen(Power.COMPLETED, vm, None, "its guest has shut down by itself")
    return _seen(Power.STARTING, vm, None, f"KubeVirt says {status.get('printableStatus') or 'nothing yet'}")


def _acknowledged(status: Mapping[str, Any], strategy: str) -> bool:
    """virt-controller works under this strategy. It tells the strategy only of VMs that were started at least once; of others, that it has looked at
    them and started nothing."""
    told = status.get("runStrategy")
    return told == strategy if told else status.get("printableStatus") == "Stopped"
