"""The DRBD Operator of one cluster, played: it makes DRBD volumes as DRBDVolume objects ask for, and reports what it sees of them.

Each cluster's operator handles the replicas of its own cluster only and applies its own object's options to them; the objects of both clusters
with the same volume handle (or else namespace and name) are one DRBD resource.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sandbox.kubernetes.drbd import mending
from sandbox.kubernetes.drbd.kube import Conflict, Kube, Missing
from sandbox.kubernetes.drbd.model import Disk, Options, Replica, Resource, new_data
from sandbox.kubernetes.drbd.world import Drbd

FINALIZER = "drbd-operator.siterecovery.trilio.io/volume"
_VOLUMES = "/apis/siterecovery.trilio.io/v1alpha1/drbdvolumes"
_REFRESH_SECONDS = 15.0
_UNITS = {
    "Ki": 1.0,
    "Mi": 1 << 10,
    "Gi": 1 << 20,
    "Ti": 1 << 30,
    "Pi": 1 << 40,
    "k": 1e3 / 1024,
    "M": 1e6 / 1024,
    "G": 1e9 / 1024,
}
_UNITS |= {"T": 1e12 / 1024, "P": 1e15 / 1024, "": 1 / 1024}
_LOG = logging.getLogger(__name__)
Object = dict[str, Any]


class Impossible(Exception):
    """The object asks for what cannot be; the message goes into its status."""


def handle_of(volume: Object) -> str:
    """The DRBD resource an object stands for."""
    meta = volume["metadata"]
    return str(volume["spec"].get("volumeHandle") or f"{meta['namespace']}-{meta['name']}")


def kib(size: str) -> int:
    """A Kubernetes quantity in KiB, rounded up."""
    digits = size.rstrip("KMGTPik")
    return -int(-float(digits) * _UNITS[size[len(digits) :]] // 1)


class Operator:
    """One cluster's operator; it is to `sync` every `period` seconds."""

    def __init__(self, kube: Kube, drbd: Drbd, cluster: str, period: float = 1.0) -> None:
        self._kube = kube
        self._drbd = drbd
        self._cluster = cluster
        self.period = period

    async def sync(self) -> None:
        """One round over all volumes. A cluster without power has no operator either."""
        if self._cluster in self._drbd.faults.down:
            return
        for volume in await self._kube.list(_VOLUMES):
            meta = volume["metadata"]
            path = f"/apis/siterecovery.trilio.io/v1alpha1/namespaces/{meta['namespace']}/drbdvolumes/{meta['name']}"
            try:
                await self._reconcile(path, volume)
            except (Conflict, Missing) as error:
                _LOG.debug("%s changed meanwhile: %s", path, error)

    async def _reconcile(self, path: str, volume: Object) -> None:
        meta = volume["metadata"]
        finalizers: Sequence[str] = meta.get("finalizers") or []
        if meta.get("deletionTimestamp"):
            if FINALIZER in finalizers and self._removed(handle_of(volume)):
                kept = [name for name in finalizers if name != FINALIZER]
                await self._kube.merge(
                    path, {"metadata": {"finalizers": kept, "resourceVersion": meta["resourceVersion"]}}
                )
            return
        if FINALIZER not in finalizers:
            change = {"finalizers": [*finalizers, FINALIZER], "resourceVersion": meta["resourceVersion"]}
            await self._kube.merge(path, {"metadata": change})
        try:
            await self._take_claim(volume)
            resource = self._made(volume)
            status = self._status(volume, resource)
        except Impossible as error:
            status = {"phase": "Failed", "message": str(error)}
        await self._publish(path, volume, status)

    async def _publish(self, path: str, volume: Object, status: Object) -> None:
        before, now = volume.get("status") or {}, datetime.now(UTC)
        same = all(before.get(key) == value for key, value in status.items())
        seen = before.get("lastObservedAt")
        fresh = seen and (now - datetime.fromisoformat(seen)).total_seconds() < _REFRESH_SECONDS
        if not (same and fresh):
            stamp = {
                "lastObservedAt": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "observedGeneration": volume["metadata"].get("generation", 1),
            }
            await self._kube.merge(f"{path}/status", {"status": {**status, **stamp}})

    async def _take_claim(self, volume: Object) -> None:
        """Impossible when the claim whose content is to be replicated is not there, or somebody still writes to it."""
        claim, namespace = volume["spec"].get("claim"), volume["metadata"]["namespace"]
        there = self._drbd.resources.get(handle_of(volume))
        if not claim or (there is not None and any(map(self._is_mine, there.replicas.values()))):
            return
        root = f"/api/v1/namespaces/{namespace}"
        try:
            await self._kube.get(f"{root}/persistentvolumeclaims/{claim}")
        except Missing as error:
            raise Impossible(f"There is no claim {claim} in {self._cluster}.") from error
        for pod in await self._kube.list(f"{root}/pods"):
            if claim in _claims_of(pod) and pod.get("status", {}).get("phase") not in ("Succeeded", "Failed"):
                raise Impossible(f"Claim {claim} is in use by Pod {pod['metadata']['name']}.")

    def _made(self, volume: Object) -> Resource:
        """The resource with this cluster's replicas, as the object says; Impossible where that cannot be."""
        spec, name = volume["spec"], handle_of(volume)
        mine = [item for item in spec.get("replicas") or [] if item["cluster"] == self._cluster]
        for item in mine:
            node = self._drbd.nodes.get(item["node"])
            if node is None or node.cluster != self._cluster:
                raise Impossible(f"There is no node {item['node']} in {self._cluster}.")
        resource = self._drbd.resources.get(name)
        if resource is None:
            resource = self._drbd.resources[name] = Resource(name, kib(spec["size"]), by_linstor=False)
            self._drbd.note("resource", "created", name)
        for item in mine:
            if item["node"] not in resource.replicas:
                resource.replicas[item["node"]] = self._new(resource, spec, item)
        self._configure(resource, spec)
        self._drbd.settle_resource(resource)
        return resource

    def _new(self, resource: Resource, spec: Object, item: Object) -> Replica:
        """Empty, or with what is there already: the content of a claim, or a copy of another volume."""
        if item.get("diskless"):
            return Replica(item["node"], diskful=False, disk=Disk.DISKLESS)
        replica = Replica(item["node"])
        if any(other.history for other in resource.diskful()):
            replica.disk, replica.quorum = Disk.INCONSISTENT, False
        elif spec.get("sourceSnapshot"):
            source = self._source(str(spec["sourceSnapshot"]))
            replica.generation, replica.history = source.generation, list(source.history)
        elif spec.get("claim"):
            replica.history.append(new_data())
        return replica

    def _source(self, snapshot: str) -> Replica:
        """`volume@name`: what this cluster's replica of the volume holds at this moment."""
        resource = self._drbd.resources.get(snapshot.partition("@")[0])
        local = (
            []
            if resource is None
            else [one for one in resource.diskful() if self._drbd.nodes[one.node].cluster == self._cluster]
        )
        good = [replica for replica in local if replica.disk is Disk.UP_TO_DATE]
        if not good:
            raise Impossible(f"There is no UpToDate replica in {self._cluster} to copy {snapshot} from.")
        return good[0]

    def _configure(self, resource: Resource, spec: Object) -> None:
        options = Options(spec.get("quorum", "majority"), spec.get("onNoQuorum", "suspend-io"))
        for replica in resource.replicas.values():
            if self._drbd.nodes[replica.node].cluster != self._cluster:
                continue
            replica.options = options
            if spec.get("discardMyData") and replica.standalone and not replica.primary:
                mending.discard(self._drbd, resource, replica.node)

    def _removed(self, name: str) -> bool:
        """Take this cluster's replicas away; False while one of them is in use."""
        resource = self._drbd.resources.get(name)
        if resource is None:
            return True
        mine = [
            replica for replica in resource.replicas.values() if self._drbd.nodes[replica.node].cluster == self._cluster
        ]
        if any(replica.openers or replica.primary for replica in mine):
            return False
        for replica in mine:
            mending.remove(self._drbd, resource, replica.node)
        if not resource.replicas:
            del self._drbd.resources[name]
            self._drbd.note("resource", "deleted", name)
        return True

    def _status(self, volume: Object, resource: Resource) -> Object:
        rows = [self._row(resource, replica) for replica in resource.replicas.values() if self._is_mine(replica)]
        disks = [row for row in rows if row["diskState"] != "Diskless"]
        if not disks:
            return {"phase": "Creating", "message": f"No replica in {self._cluster} yet.", "replicas": rows}
        best = min(disks, key=lambda row: (row["role"] != "Primary", row["diskState"] != "UpToDate"))
        syncing = [row["syncProgress"] for row in disks if row["diskState"] == "Inconsistent"]
        phase = "Syncing" if syncing else "Ready" if best["connection"] == "Connected" else "Degraded"
        shown = {key: best[key] for key in ("diskState", "connection", "quorum")}
        return {
            "phase": phase,
            "message": "",
            "role": "Primary" if any(row["role"] == "Primary" for row in rows) else "Secondary",
            "inUse": any(row["inUse"] for row in rows),
            "syncProgress": min(syncing) if syncing else 100,
            "replicas": rows,
            **shown,
        }

    def _is_mine(self, replica: Replica) -> bool:
        node = self._drbd.nodes[replica.node]
        return node.cluster == self._cluster and self._drbd.is_up(node)

    def _row(self, resource: Resource, replica: Replica) -> Object:
        row: Object = {
            "cluster": self._cluster,
            "node": replica.node,
            "role": "Primary" if replica.primary else "Secondary",
            "diskState": str(replica.disk),
            "connection": self._connection(resource, replica),
            "quorum": replica.quorum,
            "inUse": replica.openers > 0,
        }
        if replica.diskful:
            done = self._drbd.progress(replica.sync) if replica.sync else float(replica.disk is Disk.UP_TO_DATE)
            row["syncProgress"] = int(done * 100)
        return row

    def _connection(self, resource: Resource, replica: Replica) -> str:
        """To the other cluster's disks: the worst of them."""
        others = [peer for peer in resource.diskful() if self._drbd.nodes[peer.node].cluster != self._cluster]
        if any(peer.node in replica.standalone for peer in others):
            return "StandAlone"
        connected = others and all(resource.is_connected(replica.node, peer.node) for peer in others)
        return "Connected" if connected else "Connecting"


def _claims_of(pod: Object) -> set[str]:
    volumes = pod["spec"].get("volumes") or []
    return {volume["persistentVolumeClaim"]["claimName"] for volume in volumes if "persistentVolumeClaim" in volume}
