"""The moving world: power, links, connections, resyncs and quorum, brought up to date after every change by `settle`.

A cluster's name is the name of a failure domain in `sandbox.faults`: a cluster that is down has no power, two clusters that are cut
do not see each other (neither do their replicas, nor a controller in one of them the satellites of the other); a single node is the
target `cluster/node`.
"""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.clock import Clock, Timer
from sandbox.faults import Faults
from sandbox.history import Note, unwritten
from sandbox.kubernetes.drbd.handshake import Verdict, meet
from sandbox.kubernetes.drbd.model import Disk, Node, Replica, Resource, Sync
from sandbox.kubernetes.drbd.quorum import judge

# Piraeus copies the labels of a Kubernetes node to properties of its satellite.
TOPOLOGY = "Aux/topology/siterecovery.trilio.io/cluster"


@dataclass
class Settings:
    """Knobs of the control port. `resync_seconds` is how long a whole resync takes; `resync_paused` stops all of them where they are."""

    resync_seconds: float = 1.0
    resync_paused: bool = False


class Drbd:
    """All nodes and resources. `home` is the cluster in which LINSTOR's controller runs."""

    def __init__(self, clock: Clock, faults: Faults, home: str = "quorum", note: Note = unwritten) -> None:
        self.clock = clock
        self.faults = faults
        self.home = home
        self.note = note
        self.settings = Settings()
        self.nodes: dict[str, Node] = {}
        self.resources: dict[str, Resource] = {}
        self._ends: dict[tuple[str, str], Timer] = {}
        faults.listen(self.settle)

    def add_node(self, node: Node) -> Node:
        """A satellite joins; its name must be new (ValueError)."""
        if node.name in self.nodes:
            raise ValueError(f"a node {node.name} exists already, in {self.nodes[node.name].cluster}")
        node.props.setdefault(TOPOLOGY, node.cluster)
        self.nodes[node.name] = node
        return node

    def is_up(self, node: Node) -> bool:
        """Whether it has power."""
        return not self.faults.is_down(f"{node.cluster}/{node.name}", node.cluster)

    def is_online(self, node: Node) -> bool:
        """Whether LINSTOR's controller hears its satellite."""
        return self.is_up(node) and node.answers and not self.faults.is_cut(self.home, node.cluster)

    def settle(self) -> None:
        """Bring everything up to date with power and links. Idempotent."""
        for node in self.nodes.values():
            up = self.is_up(node)
            if node.powered and not up:
                self._lose_power(node)
            node.powered = up
        for resource in self.resources.values():
            self.settle_resource(resource)

    def settle_resource(self, resource: Resource) -> None:
        """The same for one resource: connections lost, quorum, connections made, quorum again."""
        self._disconnect(resource)
        self._judge_quorum(resource)
        self._connect(resource)
        self._judge_quorum(resource)
        self._outdate(resource)
        self._drive_syncs(resource)

    def progress(self, sync: Sync) -> float:
        """How much of a resync is done, 0–1."""
        if self.settings.resync_paused or self.settings.resync_seconds <= 0:
            return sync.done
        return min(1.0, sync.done + (self.clock.now() - sync.since) / self.settings.resync_seconds)

    def change_settings(self, *, resync_seconds: float | None = None, resync_paused: bool | None = None) -> None:
        """Turn knobs; what was synced until now stays synced."""
        for resource in self.resources.values():
            for replica in resource.replicas.values():
                if replica.sync:
                    replica.sync = Sync(replica.sync.source, self.clock.now(), self.progress(replica.sync))
        if resync_seconds is not None:
            self.settings.resync_seconds = resync_seconds
        if resync_paused is not None:
            self.settings.resync_paused = resync_paused
        self.settle()

    def fill(self, resource: Resource, target: Replica, source: Replica) -> None:
        """Start a resync, or go on with one that was interrupted."""
        done = target.sync.done if target.sync and target.sync.source in ("", source.node) else 0.0
        target.disk = Disk.INCONSISTENT
        target.sync = Sync(source.node, self.clock.now(), done)
        self.note("replica", "sync_started", f"{resource.name}/{target.node}", source=source.node)

    def _lose_power(self, node: Node) -> None:
        """Memory is gone: roles, openers, connections, progress already on disk is kept."""
        for resource in self.resources.values():
            replica = resource.replicas.get(node.name)
            if replica is None:
                continue
            if replica.primary:
                self.note("replica", "demoted", f"{resource.name}/{node.name}", reason="power")
            self._stop_sync(replica)
            replica.primary, replica.openers, replica.quorum, replica.force_io_failures = False, 0, False, False
            replica.standalone.clear()

    def _linked(self, resource: Resource, one: Replica, other: Replica) -> bool:
        here, there = self.nodes[one.node], self.nodes[other.node]
        apart = here.cluster != there.cluster and resource.cut and one.diskful and other.diskful
        return (
            self.is_up(here)
            and self.is_up(there)
            and not apart
            and not self.faults.is_cut(here.cluster, there.cluster)
            and other.node not in one.standalone
            and one.node not in other.standalone
        )

    def _disconnect(self, resource: Resource) -> None:
        for one, other in resource.pairs():
            pair = frozenset({one.node, other.node})
            if pair in resource.connected and not self._linked(resource, one, other):
                resource.connected.discard(pair)
                for replica, peer in ((one, other), (other, one)):
                    if replica.sync and replica.sync.source == peer.node:
                        self._stop_sync(replica)

    def _stop_sync(self, replica: Replica) -> None:
        """Interrupted: what came over stays, the disk stays inconsistent until somebody finishes the work."""
        if replica.sync:
            replica.sync = Sync("", self.clock.now(), self.progress(replica.sync))

    def _connect(self, resource: Resource) -> None:
        for one, other in resource.pairs():
            pair = frozenset({one.node, other.node})
            if pair not in resource.connected and self._linked(resource, one, other):
                self._meet(resource, one, other)

    def _meet(self, resource: Resource, one: Replica, other: Replica) -> None:
        verdict = meet(resource, one, other)
        if verdict is Verdict.CONFLICT and not self._stand_down(resource, one, other):
            self._part(one, other, split=False)
            return
        if verdict is Verdict.CONFLICT:
            verdict = meet(resource, one, other)
        if verdict is Verdict.SPLIT_BRAIN:
            self.note("resource", "split_brain", resource.name, nodes=[one.node, other.node])
            self._part(one, other, split=True)
        if verdict in (Verdict.SPLIT_BRAIN, Verdict.WAIT, Verdict.CONFLICT):
            return
        resource.connected.add(frozenset({one.node, other.node}))
        match verdict:
            case Verdict.FIRST_IS_SOURCE:
                self.fill(resource, other, one)
            case Verdict.SECOND_IS_SOURCE:
                self.fill(resource, one, other)
            case _:
                self._freshen(one, other)

    @staticmethod
    def _freshen(one: Replica, other: Replica) -> None:
        """Both hold the same. Who was outdated only by report is up to date again."""
        for replica, peer in ((one, other), (other, one)):
            replica.missed.discard(peer.node)
            if replica.disk is Disk.OUTDATED and peer.diskful and peer.current == replica.current:
                replica.disk = Disk.UP_TO_DATE

    @staticmethod
    def _part(one: Replica, other: Replica, *, split: bool) -> None:
        """StandAlone, until somebody connects them by hand; with `rr-conflict retry-connect` two Primaries try on."""
        if split or "retry-connect" not in (one.options.rr_conflict, other.options.rr_conflict):
            one.standalone.add(other.node)
            other.standalone.add(one.node)

    def _stand_down(self, resource: Resource, one: Replica, other: Replica) -> bool:
        """`on-suspended-primary-outdated force-secondary`: a frozen Primary with older data gives in, and its guest sees I/O errors."""
        for frozen, living in ((one, other), (other, one)):
            forced = frozen.options.on_suspended_primary_outdated == "force-secondary"
            if frozen.suspended and forced and frozen.current in living.history:
                frozen.primary, frozen.force_io_failures = False, True
                self.note("replica", "demoted", f"{resource.name}/{frozen.node}", reason="suspended and outdated")
                return True
        return False

    def _judge_quorum(self, resource: Resource) -> None:
        for name, verdict in judge(resource).items():
            replica, quorum = resource.replicas[name], verdict and self.is_up(self.nodes[name])
            if replica.quorum != quorum:
                self.note("replica", "quorum" if quorum else "no_quorum", f"{resource.name}/{name}")
            replica.quorum = quorum

    def _outdate(self, resource: Resource) -> None:
        """Who sees a Primary only over others misses its writes, and knows it. A Primary without quorum writes nothing."""
        for replica in resource.diskful():
            primary = resource.primary_near(replica.node)
            if primary is None or primary is replica or not primary.quorum or replica.disk is not Disk.UP_TO_DATE:
                continue
            if not resource.is_connected(primary.node, replica.node):
                replica.disk = Disk.OUTDATED

    def _drive_syncs(self, resource: Resource) -> None:
        """Finish what is due, find a source for who has none, and look again when the next one ends."""
        for replica in resource.diskful():
            if replica.disk is not Disk.INCONSISTENT or not self.is_up(self.nodes[replica.node]):
                continue
            if replica.sync is None or not replica.sync.source:
                source = next((peer for peer in resource.peers(replica.node) if peer.disk is Disk.UP_TO_DATE), None)
                if source is None:
                    continue
                replica.sync = Sync(source.node, self.clock.now(), replica.sync.done if replica.sync else 0.0)
            self._finish_or_wait(resource, replica, replica.sync)

    def _finish_or_wait(self, resource: Resource, replica: Replica, sync: Sync) -> None:
        if self.settings.resync_paused:
            return
        left = (1.0 - self.progress(sync)) * self.settings.resync_seconds
        if left > 1e-6:
            key = resource.name, replica.node
            if key in self._ends:
                self._ends[key].cancel()
            self._ends[key] = self.clock.call_later(left, self.settle)
            return
        source = resource.replicas.get(sync.source)
        if source is None or source.disk is not Disk.UP_TO_DATE:
            return
        replica.disk, replica.sync = Disk.UP_TO_DATE, None
        source.missed.discard(replica.node)
        replica.generation, replica.history = source.generation, list(source.history)
        replica.missed = set(source.missed)
        self.note("replica", "synced", f"{resource.name}/{replica.node}", generation=replica.generation)

    def clusters(self) -> set[str]:
        """All failure domains, the controller's own among them."""
        return {node.cluster for node in self.nodes.values()} | {self.home}

    def isolate(self, cluster: str, isolated: bool) -> None:
        """Cut a cluster from all others, or give it back, at one instant. Link by link is something else: while the tiebreaker still sees both
        sides, the Primary may go on and the other side learns that it is outdated."""
        pairs = {frozenset({cluster, other}) for other in self.clusters() - {cluster}}
        if isolated:
            self.faults.cut |= pairs
        else:
            self.faults.cut -= pairs
        self.faults.changed()
