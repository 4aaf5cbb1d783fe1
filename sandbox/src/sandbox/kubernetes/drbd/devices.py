"""A device as a guest's host uses it: opening promotes, writing raises the generation, closing demotes.

DRBD has no call for promotion: a device is Primary because somebody opened it. Whether it may is decided here.

    Refused
    ├── NoSuchVolume     no resource of that name, or no such node
    └── MayNotOpen       DRBD says no; `reason` is its word for it
        └── MayNotWrite  the device is open, and I/O fails or hangs
"""

from __future__ import annotations

from sandbox.kubernetes.drbd.model import Disk, Replica, Resource, new_data
from sandbox.kubernetes.drbd.world import Drbd


class Refused(Exception):
    """The device was not touched; the message is DRBD's reason."""


class NoSuchVolume(Refused):
    """Nobody knows it."""


class MayNotOpen(Refused):
    """Promotion is refused."""


class MayNotWrite(MayNotOpen):
    """`suspend-io`: the write would hang; `io-error`: it fails."""


class Devices:
    """The doors of all nodes. `fail_next` refuses that many promotions of a resource, whatever DRBD thinks."""

    def __init__(self, drbd: Drbd) -> None:
        self._drbd = drbd
        self.fail_next: dict[str, int] = {}

    def open(self, cluster: str, node: str, volume: str) -> int:
        """One more opener; the first makes the node Primary. The generation that it reads.

        A node without a replica is given a diskless one, as CSI's attach does."""
        resource, replica = self._find(cluster, node, volume)
        if replica is None:
            replica = self._attach(resource, node)
        try:
            if not replica.primary:
                self._promote(resource, replica)
            self._check_io(resource, replica)
        except MayNotOpen:
            self._detach(resource, replica)
            raise
        replica.openers += 1
        return _targets(resource, replica)[0].generation

    def write(self, cluster: str, node: str, volume: str) -> int:
        """One write of the guest, on every replica that is up to date and connected (protocol C); the generation it made."""
        resource, replica = self._find(cluster, node, volume)
        if replica is None or not replica.openers:
            raise MayNotOpen(f"{volume} is not open on {node}")
        targets = self._check_io(resource, replica)
        self._part_ways(resource, targets)
        for target in targets:
            target.generation += 1
        return targets[0].generation

    def close(self, cluster: str, node: str, volume: str) -> None:
        """One opener less; the last makes the node Secondary. A device that is not open is fine."""
        resource, replica = self._find(cluster, node, volume)
        if replica is None:
            return
        replica.openers = max(0, replica.openers - 1)
        if replica.openers == 0:
            if replica.primary:
                self._drbd.note("replica", "demoted", f"{volume}/{node}", reason="closed")
            replica.primary = replica.force_io_failures = False
            self._detach(resource, replica)
            self._drbd.settle_resource(resource)

    def refusal(self, resource: Resource, replica: Replica) -> str:
        """Why this replica may not become Primary; empty when it may."""
        if not self._drbd.is_up(self._drbd.nodes[replica.node]):
            return "the node has no power"
        other = resource.primary_near(replica.node)
        if other is not None and other is not replica:
            return f"Multiple primaries not allowed by config ({other.node} is Primary)"
        if replica.force_io_failures:
            return "Device is held open by guests that see I/O errors"
        if not replica.quorum:
            return "No quorum"
        if not _targets(resource, replica):
            return f"Need access to UpToDate data (disk is {replica.disk})"
        return ""

    def _promote(self, resource: Resource, replica: Replica) -> None:
        if self.fail_next.get(resource.name, 0) > 0:
            self.fail_next[resource.name] -= 1
            raise MayNotOpen("Promotion failed: it was asked to")
        reason = self.refusal(resource, replica)
        if reason:
            raise MayNotOpen(reason)
        replica.primary = True
        targets = _targets(resource, replica)
        self._part_ways(resource, targets)
        self._drbd.note(
            "replica",
            "promoted",
            f"{resource.name}/{replica.node}",
            generation=targets[0].generation,
            quorum=replica.options.quorum,
        )
        self._drbd.settle_resource(resource)

    @staticmethod
    def _check_io(resource: Resource, replica: Replica) -> list[Replica]:
        """Where reads and writes of an open device go; MayNotWrite where they fail or hang."""
        if replica.force_io_failures:
            raise MayNotWrite("io-error: the device was forced to Secondary")
        if not replica.quorum:
            raise MayNotWrite(f"{replica.options.on_no_quorum}: no quorum")
        targets = _targets(resource, replica)
        if not targets:
            raise MayNotWrite("io-error: no UpToDate data within reach")
        return targets

    @staticmethod
    def _part_ways(resource: Resource, targets: list[Replica]) -> None:
        """Data that some replica will not have gets a new name, once, so that it can be told later who is older."""
        behind = {other.node for other in resource.diskful() if other not in targets}
        if not targets[0].current or behind - targets[0].missed:
            name = new_data()
            for target in targets:
                target.history.append(name)
                target.missed = set(behind)

    def _find(self, cluster: str, node: str, volume: str) -> tuple[Resource, Replica | None]:
        resource, place = self._drbd.resources.get(volume), self._drbd.nodes.get(node)
        if resource is None:
            raise NoSuchVolume(f"no volume {volume}")
        if place is None or place.cluster != cluster:
            raise NoSuchVolume(f"no node {node} in {cluster}")
        return resource, resource.replicas.get(node)

    def _attach(self, resource: Resource, node: str) -> Replica:
        model = next(iter(resource.replicas.values()), None)
        replica = Replica(node, diskful=False, temporary=True, disk=Disk.DISKLESS, quorum=False)
        if model is not None:
            replica.options = model.options
        resource.replicas[node] = replica
        self._drbd.settle_resource(resource)
        return replica

    def _detach(self, resource: Resource, replica: Replica) -> None:
        if replica.temporary and not replica.openers:
            del resource.replicas[replica.node]
            resource.connected = {pair for pair in resource.connected if replica.node not in pair}


def _targets(resource: Resource, replica: Replica) -> list[Replica]:
    """Where a write goes: the own disk first, then connected ones; only what is up to date."""
    return [each for each in [replica, *resource.peers(replica.node)] if each.diskful and each.disk is Disk.UP_TO_DATE]
