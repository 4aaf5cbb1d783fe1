"""Looks everywhere once. What does not answer is told as unseen, never taken for empty."""

from __future__ import annotations

import base64
import binascii
import contextlib
import time
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from sandbox.kubernetes.access import Access
from sandbox.kubernetes.agent.client import AgentControl
from sandbox.kubernetes.check.picture import MARK, Object, Picture, Side, labels
from sandbox.kubernetes.client import ApiError, Missing
from sandbox.kubernetes.storage import StorageControl
from sandbox.processes import ProcessError

_GROUPS = "/apis/siterecovery.trilio.io/v1alpha1"
_KUBEVIRT = "/apis/kubevirt.io/v1"
_PATHS = {
    "groups": f"{_GROUPS}/protectiongroups",
    "failovers": f"{_GROUPS}/failovers",
    "vms": f"{_KUBEVIRT}/virtualmachines",
    "instances": f"{_KUBEVIRT}/virtualmachineinstances",
    "nodes": "/api/v1/nodes",
    "leases": "/apis/coordination.k8s.io/v1/leases",
    "claims": "/api/v1/persistentvolumeclaims",
    "volumes": "/api/v1/persistentvolumes",
}
_BUSY, _TRIES, _PAUSE_SECONDS = 429, 10, 0.2
_LAUNCHERS = "kubevirt.io=virt-launcher"


class Clusters(Protocol):
    """A world, running here or elsewhere, or light planes."""

    def __iter__(self) -> Any:
        """Its planes."""


def look(
    world: Clusters,
    *,
    namespaces: Iterable[str] | None = None,
    excused: Iterable[str] = (),
    settled: bool = True,
) -> tuple[Picture, tuple[str, ...]]:
    """What there is to see, and what could not be seen. The disks are looked at before the guests that hold them, and histories last."""
    unseen: list[str] = []
    storage: StorageControl | None = getattr(world, "storage", None)
    disks, places, taints = _disks(storage, unseen)
    sides, aliases = dict[str, Side](), dict[str, str]()
    for plane in world:
        try:
            sides[plane.name] = _side(plane, unseen)
            aliases |= _aliases(plane)
        except (ApiError, OSError) as error:
            unseen.append(f"{plane.name}: {error}")
    events: list[Object] = storage.get("/history") if storage is not None else []
    picture = Picture(
        sides,
        aliases,
        disks,
        events,
        places,
        taints,
        None if namespaces is None else frozenset(namespaces),
        frozenset(excused),
        settled,
        time.time(),
    )
    return picture, tuple(unseen)


def _disks(
    storage: StorageControl | None, unseen: list[str]
) -> tuple[Mapping[str, Object], dict[str, str], Mapping[str, Any]]:
    if storage is None:
        return {}, {}, {}
    try:
        shown = storage.get("/drbd")
        places = {node: str(told["cluster"]) for node, told in shown["nodes"].items()}
        return storage.get("/drbd/volumes"), places, shown["taints"]
    except ProcessError as error:
        unseen.append(f"the disks: {error}")
        return {}, {}, {}


def _side(plane: Access, unseen: list[str]) -> Side:
    """Raises what the API client raises; a kind that is not served there has no objects."""
    found: dict[str, Any] = {kind: _items(plane, path) for kind, path in _PATHS.items()}
    found["launchers"] = plane.api.items("/api/v1/pods", labelSelector=_LAUNCHERS)
    agent: AgentControl | None = getattr(plane, "agent", None)
    if agent is not None:
        try:
            found |= {"guests": agent.state()["guests"], "events": agent.history()}
        except ProcessError as error:
            unseen.append(f"the machines of {plane.name}: {error}")
    return Side(plane.name, **found)


def _items(plane: Access, path: str) -> list[dict[str, Any]]:
    """A server that has just been started asks for patience with kinds that nobody has read yet."""
    for left in reversed(range(_TRIES)):
        try:
            return plane.api.items(path)
        except Missing:
            return []
        except ApiError as error:
            if error.status != _BUSY or not left:
                raise
            time.sleep(_PAUSE_SECONDS)
    raise AssertionError("the last try answers or raises")


def _aliases(plane: Access) -> dict[str, str]:
    """Further names of clusters, from the Secrets that name them; their content is not read."""
    told: dict[str, str] = {}
    for secret in plane.api.items("/api/v1/secrets", labelSelector=f"{MARK}/cluster"):
        name = labels(secret)[f"{MARK}/cluster"]
        given = (secret["metadata"].get("annotations") or {}).get(f"{MARK}/aliases") or ""
        encoded = (secret.get("data") or {}).get("aliases")
        if encoded:
            with contextlib.suppress(binascii.Error, UnicodeDecodeError):  # then it is no list of names
                given = f"{given},{base64.b64decode(encoded).decode()}"
        told |= {alias.strip(): name for alias in given.split(",") if alias.strip()}
    return told
