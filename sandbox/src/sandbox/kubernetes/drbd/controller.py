"""LINSTOR's own logic between its REST and DRBD: properties and what follows from them, placing, tiebreakers, automatic quorum.

Played after linstor-server 1.34 (REST 1.28): automatic quorum works on `DrbdOptions/Resource/quorum` itself, unless somebody set that by hand
(`Internal/Drbd/QuorumSetBy` = user); `DrbdOptions/auto-quorum` is stored and answered with a warning that it is deprecated.

    Refused      the controller says no; `code` is LINSTOR's number for it, `status` HTTP's
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sandbox.kubernetes.drbd import mending
from sandbox.kubernetes.drbd.linstor import codes
from sandbox.kubernetes.drbd.model import Disk, Node, Options, Replica, Resource
from sandbox.kubernetes.drbd.world import Drbd

QUORUM = "DrbdOptions/Resource/quorum"
ON_NO_QUORUM = "DrbdOptions/Resource/on-no-quorum"
SET_BY = "Internal/Drbd/QuorumSetBy"
AUTO_QUORUM = "DrbdOptions/auto-quorum"
AUTO_TIEBREAKER = "DrbdOptions/auto-add-quorum-tiebreaker"
_KNOWN = ("Aux/", "DrbdOptions/", "Linstor/", "StorPoolName", "FileSystem/", "Internal/", "Snapshot/", "Clone/")
_CHOICES = {QUORUM: ("off", "majority", "all"), ON_NO_QUORUM: ("io-error", "suspend-io")}


class Refused(Exception):
    """The controller says no."""

    def __init__(self, code: int, message: str, *, status: int = 400, cause: str = "", correction: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.cause = cause
        self.correction = correction


@dataclass
class Group:
    """A resource group: what the storage class of CSI stands for."""

    name: str
    props: dict[str, str] = field(default_factory=dict)
    place_count: int = 2


@dataclass
class Told:
    """What the controller has to say about a call besides that it worked: (code, message)."""

    entries: list[tuple[int, str]] = field(default_factory=list)


class Controller:
    """One per world."""

    def __init__(self, drbd: Drbd) -> None:
        self.drbd = drbd
        # LINBIT's advice for disks of VMs: a guest whose writes hang can go on later, one with I/O errors turns read-only.
        self.props: dict[str, str] = {ON_NO_QUORUM: "suspend-io"}
        self.groups: dict[str, Group] = {"DfltRscGrp": Group("DfltRscGrp")}
        self._online: set[str] = set()
        drbd.faults.listen(self.look)

    def resource(self, name: str) -> Resource:
        """By name, or Refused 404."""
        found = self.drbd.resources.get(name)
        if found is None or not found.by_linstor:
            raise Refused(codes.FAIL_NOT_FOUND_RSC_DFN, f"Resource definition '{name}' not found.", status=404)
        return found

    def resources(self) -> list[Resource]:
        """Those it made."""
        return [resource for resource in self.drbd.resources.values() if resource.by_linstor]

    def node(self, name: str) -> Node:
        """By name, or Refused 404."""
        found = self.drbd.nodes.get(name)
        if found is None:
            raise Refused(codes.FAIL_NOT_FOUND_NODE, f"Node '{name}' not found.", status=404)
        return found

    def define(
        self, name: str, size_kib: int = 0, group: str = "DfltRscGrp", props: Mapping[str, str] = {}
    ) -> Resource:
        """A resource definition without replicas."""
        if not name or not name[0].isalpha():
            raise Refused(codes.FAIL_INVLD_RSC_NAME, f"Resource name '{name}' is invalid.")
        if name in self.drbd.resources:
            raise Refused(codes.FAIL_EXISTS_RSC_DFN, f"Resource definition '{name}' already exists.", status=409)
        self.groups.setdefault(group, Group(group))
        resource = self.drbd.resources[name] = Resource(name, size_kib, group)
        self.modify(resource, props)
        self.drbd.note("resource", "created", name)
        return resource

    def drop(self, resource: Resource) -> None:
        """Delete it with all its replicas; what is in use or has snapshots stays."""
        used = [replica.node for replica in resource.replicas.values() if replica.openers or replica.primary]
        if used:
            raise Refused(
                codes.FAIL_IN_USE, f"Resource '{resource.name}' on node '{used[0]}' is still in use.", status=500
            )
        if resource.snapshots:
            raise Refused(codes.FAIL_EXISTS_SNAPSHOT_DFN, f"Resource '{resource.name}' has snapshots.", status=500)
        del self.drbd.resources[resource.name]
        self.drbd.note("resource", "deleted", resource.name)

    def modify(self, resource: Resource, override: Mapping[str, str], delete: Iterable[str] = ()) -> Told:
        """Change properties, all or none, and have the satellites that answer apply them."""
        told = Told()
        for key, value in override.items():
            _check_property(key, value)
        for key, value in override.items():
            resource.props[key] = value
            if key == QUORUM:
                resource.props[SET_BY] = "user"
            if key == AUTO_QUORUM:
                told.entries.append((codes.WARN_DEPRECATED, f"{key} is deprecated, please use {QUORUM}"))
        for key in delete:
            resource.props.pop(key, None)
            if key == QUORUM:
                resource.props.pop(SET_BY, None)
        self.manage(resource)
        told.entries += self.adjust(resource)
        return told

    def effective(self, resource: Resource) -> dict[str, str]:
        """The properties that hold: controller's, group's, definition's."""
        return {**self.props, **self.groups[resource.group].props, **resource.props}

    def place(self, resource: Resource, name: str, *, diskful: bool = True, pool: str = "") -> Told:
        """A replica on a node. The first ones of a resource are empty and equal; a later one is filled from them."""
        node = self.node(name)
        self._online |= {name} if self.drbd.is_online(node) else set()
        there = resource.replicas.get(name)
        if there is not None and not there.tiebreaker:
            raise Refused(
                codes.FAIL_EXISTS_RSC, f"A resource '{resource.name}' on node '{name}' already exists.", status=409
            )
        if diskful and (not node.pool or pool not in ("", node.pool)):
            raise Refused(
                codes.FAIL_NOT_FOUND_STOR_POOL, f"Storage pool '{pool or '?'}' on node '{name}' not found.", status=404
            )
        if not self.drbd.is_online(node):
            raise Refused(codes.FAIL_NOT_CONNECTED, f"No active connection to satellite '{name}'.", status=500)
        if there is not None:
            mending.remove(self.drbd, resource, name)
        written = [other for other in resource.diskful() if other.history]
        disk = Disk.DISKLESS if not diskful else Disk.INCONSISTENT if written else Disk.UP_TO_DATE
        resource.replicas[name] = Replica(name, diskful=diskful, disk=disk, quorum=not written)
        self.manage(resource)
        return Told(self.adjust(resource))

    def unplace(self, resource: Resource, name: str) -> Told:
        """Take a replica away; one in use stays. For a satellite that is offline LINSTOR would wait (DELETING); here it is refused."""
        replica = resource.replicas.get(name)
        if replica is None:
            raise Refused(
                codes.FAIL_NOT_FOUND_RSC, f"Resource '{resource.name}' on node '{name}' not found.", status=404
            )
        if replica.openers or replica.primary:
            raise Refused(
                codes.FAIL_IN_USE, f"Resource '{resource.name}' on node '{name}' is still in use.", status=500
            )
        if not self.drbd.is_online(self.node(name)):
            raise Refused(codes.FAIL_NOT_CONNECTED, f"No active connection to satellite '{name}'.", status=500)
        mending.remove(self.drbd, resource, name)
        self.manage(resource)
        return Told(self.adjust(resource))

    def manage(self, resource: Resource) -> None:
        """What LINSTOR does by itself: a diskless third voter for two disks, and quorum where there are voters enough."""
        self._manage_tiebreaker(resource)
        if resource.props.get(SET_BY) == "user":
            return
        disks = len(resource.diskful())
        diskless = sum(replica.votes_on_ties for replica in resource.replicas.values())
        resource.props[QUORUM] = "majority" if disks >= 3 or (disks == 2 and diskless) else "off"

    def _manage_tiebreaker(self, resource: Resource) -> None:
        ties = [replica for replica in resource.replicas.values() if replica.tiebreaker]
        diskless = [
            replica for replica in resource.replicas.values() if replica.votes_on_ties and not replica.tiebreaker
        ]
        wanted = (
            len(resource.diskful()) == 2
            and not diskless
            and self.effective(resource).get(AUTO_TIEBREAKER, "true").lower() == "true"
            and not (resource.props.get(SET_BY) == "user" and resource.props.get(QUORUM) == "off")
        )
        if wanted and not ties:
            free = [node for node in self.drbd.nodes.values() if node.name not in resource.replicas and not node.pool]
            if free:
                resource.replicas[free[0].name] = Replica(
                    free[0].name, diskful=False, tiebreaker=True, disk=Disk.DISKLESS
                )
        for tie in [] if wanted else ties:
            if self.drbd.is_online(self.drbd.nodes[tie.node]):
                mending.remove(self.drbd, resource, tie.node)

    def adjust(self, resource: Resource) -> list[tuple[int, str]]:
        """Apply the options on every satellite that answers, as `drbdadm adjust` does: it also leaves StandAlone."""
        props, warnings = self.effective(resource), []
        options = Options(
            props.get(QUORUM, "off"),
            props.get(ON_NO_QUORUM, "io-error"),
            props.get("DrbdOptions/Resource/on-suspended-primary-outdated", "disconnect"),
            props.get("DrbdOptions/Net/rr-conflict", "disconnect"),
        )
        for replica in list(resource.replicas.values()):
            if self.drbd.is_online(self.drbd.nodes[replica.node]):
                replica.options = options
                mending.connect(self.drbd, resource, replica.node)
            else:
                warnings.append((codes.WARN_NOT_CONNECTED, f"No active connection to satellite '{replica.node}'"))
        self.drbd.settle_resource(resource)
        return warnings

    def look(self) -> None:
        """Satellites that are back apply what they missed."""
        online = {node.name for node in self.drbd.nodes.values() if self.drbd.is_online(node)}
        back, self._online = online - self._online, online
        for resource in self.resources():
            if back & resource.replicas.keys():
                self.adjust(resource)


def _check_property(key: str, value: str) -> None:
    if not key.startswith(_KNOWN):
        raise Refused(codes.FAIL_INVLD_PROP, "Invalid property key", cause=f"The key '{key}' is not whitelisted.")
    if key in _CHOICES and value not in _CHOICES[key]:
        raise Refused(
            codes.FAIL_INVLD_PROP,
            "Invalid property value",
            cause=f"The value '{value}' is not valid for the key '{key}'.",
            correction=f"Use one of {', '.join(_CHOICES[key])}.",
        )
