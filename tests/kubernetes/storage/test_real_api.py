"""Quorum taints and DRBDVolumes on real API servers: TLS, client certificates, the CRD's own schema, the status subresource, two writers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import yaml

from sandbox.kubernetes.client import Missing
from sandbox.kubernetes.drbd.model import Node
from sandbox.kubernetes.drbd.server import World
from sandbox.kubernetes.light import LightPlanes
from siterecovery.kubevirt.clusters import access, base
from siterecovery.kubevirt.clusters.client import ClusterClient
from siterecovery.kubevirt.storage.base import InUse, NewVolume, Place
from siterecovery.kubevirt.storage.drbd_operator import DrbdOperatorStorage, Volumes
from siterecovery.kubevirt.storage.waiting import wait_in_sync

CRD = Path(__file__).parents[3] / "deploy" / "crds" / "drbd-volume-crd.yaml"
NODES = {"cluster1": "drbd-one", "cluster2": "drbd-two"}
SECONDS = 30.0


@pytest.fixture
def clusters(light_planes: LightPlanes) -> LightPlanes:
    """With the CRD, and one node each."""
    crd = yaml.safe_load(CRD.read_text())
    for name, node in NODES.items():
        api = getattr(light_planes, name).api
        api.apply(crd)
        try:
            api.get(f"/api/v1/nodes/{node}")
        except Missing:
            api.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}})
    return light_planes


def play(planes: LightPlanes, story: Callable[[World], Awaitable[None]]) -> None:
    """A world that looks after both clusters."""

    async def run() -> None:
        world = World([Node(node, cluster) for cluster, node in NODES.items()])
        world.drbd.settings.resync_seconds = 0.3
        for name in NODES:
            plane = getattr(planes, name)
            await world.clusters.attach(name, plane.kubeconfig, 0.05, taints=True, operator=True)
        try:
            await story(world)
        finally:
            await world.clusters.close()

    asyncio.run(run())


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """TimeoutError when it does not come true."""
    end = time.monotonic() + SECONDS
    while not await holds():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {SECONDS:.0f} s")
        await asyncio.sleep(0.05)


def test_taints_come_and_go_on_real_nodes(clusters: LightPlanes) -> None:
    """A node that lost quorum is tainted, is tainted again when somebody strips it, and freed when quorum is back."""

    def keys() -> list[str]:
        spec = clusters.cluster2.api.get(f"/api/v1/nodes/{NODES['cluster2']}")["spec"]
        return [taint["key"] for taint in spec.get("taints", [])]

    async def tainted() -> bool:
        return "drbd.linbit.com/lost-quorum" in await asyncio.to_thread(keys)

    async def free() -> bool:
        return not await tainted()

    async def story(world: World) -> None:
        world.volume("pvc-1", *NODES.values())
        world.controller.modify(world.drbd.resources["pvc-1"], {"DrbdOptions/Resource/quorum": "majority"})
        world.drbd.isolate("cluster2", True)
        await until(tainted)
        before = await asyncio.to_thread(keys)
        path = f"/api/v1/nodes/{NODES['cluster2']}"
        await asyncio.to_thread(clusters.cluster2.api.merge, path, {"spec": {"taints": []}})
        await until(tainted)
        world.drbd.isolate("cluster2", False)
        await until(free)
        assert "drbd.linbit.com/lost-quorum" in before

    play(clusters, story)


def test_a_volumes_life_over_two_real_clusters(clusters: LightPlanes, light_namespace: str) -> None:
    """Made, synced, used, forced, restored, copied and removed with nothing but DRBDVolume objects, which the CRD's schema accepts."""

    async def story(world: World) -> None:
        clients = {name: ClusterClient(name, access.from_file(getattr(clusters, name).kubeconfig)) for name in NODES}
        storage = DrbdOperatorStorage(
            [
                Volumes(name, light_namespace, client, (base.Unknown,), (base.Refused,), (base.NotFound,))
                for name, client in clients.items()
            ]
        )
        try:
            await life(world, storage)
        finally:
            for client in clients.values():
                await client.close()

    async def life(world: World, storage: DrbdOperatorStorage) -> None:
        one, two = NODES.values()
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": ""}
        claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": spec}
        clusters.cluster1.api.create(claim | {"metadata": {"name": "disk", "namespace": light_namespace}})
        places = (Place("cluster1", one), Place("cluster2", two))
        await storage.create(NewVolume("vol-1", 1 << 30, places, claim="disk", content_of="cluster1"))
        assert (await wait_in_sync(storage, ["vol-1"], "cluster2", limit=SECONDS, pause=0.05)).done
        world.devices.open("cluster1", one, "vol-1")
        world.devices.write("cluster1", one, "vol-1")

        async def held() -> bool:
            return (await storage.release(["vol-1"], "cluster1")).held == (("vol-1", one),)

        await until(held)
        await storage.copy({"vol-1": "copy-1"}, "cluster2")

        async def copied() -> bool:
            return "copy-1" in world.drbd.resources

        await until(copied)
        assert world.devices.open("cluster2", two, "copy-1") == 1
        world.devices.close("cluster2", two, "copy-1")
        await storage.remove_copy("copy-1")
        with pytest.raises(InUse):
            await storage.remove("vol-1")
        world.faults.lose("cluster1/drbd-one")

        async def silent() -> bool:
            return (await storage.states(["vol-1"]))["vol-1"].side("cluster1").unknown

        await until(silent)
        assert [forced.volume for forced in await storage.prepare_forced(["vol-1"], "cluster2")] == ["vol-1"]

        async def promotable() -> bool:
            return (await storage.ready_to_promote(["vol-1"], "cluster2", forced=True)).ready and (
                world.drbd.resources["vol-1"].replicas[two].quorum
            )

        await until(promotable)
        assert world.devices.open("cluster2", two, "vol-1") == 1
        world.faults.restore("cluster1/drbd-one")

        async def restored() -> bool:
            return (await storage.restore_quorum(["vol-1"])).volumes == ("vol-1",)

        await until(restored)
        world.devices.close("cluster2", two, "vol-1")

        async def gone() -> bool:
            try:
                await storage.remove("vol-1")
            except InUse:
                return False
            return not world.drbd.resources

        await until(gone)

    play(clusters, story)
