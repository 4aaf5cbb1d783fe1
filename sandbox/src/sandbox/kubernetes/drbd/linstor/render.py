"""The world in LINSTOR's JSON. What a satellite that does not answer would have told is left out, as the controller does."""

from __future__ import annotations

from typing import Any

from sandbox.kubernetes.drbd.controller import Controller
from sandbox.kubernetes.drbd.devices import Devices
from sandbox.kubernetes.drbd.model import Node, Replica, Resource, Snapshot

Json = dict[str, Any]


class Render:
    """One per controller. `devices` knows who may promote."""

    def __init__(self, controller: Controller, devices: Devices) -> None:
        self._controller = controller
        self._drbd = controller.drbd
        self._devices = devices

    def node(self, node: Node) -> Json:
        """A satellite."""
        return {
            "name": node.name,
            "type": "SATELLITE",
            "props": {**node.props},
            "flags": [],
            "net_interfaces": [
                {
                    "name": "default",
                    "address": "127.0.0.1",
                    "satellite_port": 3366,
                    "satellite_encryption_type": "PLAIN",
                    "is_active": True,
                }
            ],
            "connection_status": "ONLINE" if self._drbd.is_online(node) else "OFFLINE",
            "uuid": node.uuid,
            "storage_providers": ["DISKLESS", "LVM_THIN"] if node.pool else ["DISKLESS"],
            "resource_layers": ["DRBD", "STORAGE"],
        }

    def pool(self, node: Node) -> Json:
        """Its storage pool."""
        return {
            "storage_pool_name": node.pool,
            "node_name": node.name,
            "provider_kind": "LVM_THIN",
            "props": {},
            "free_capacity": 1 << 30,
            "total_capacity": 1 << 30,
            "supports_snapshots": True,
        }

    def definition(self, resource: Resource, volumes: bool = True) -> Json:
        """A resource definition."""
        rendered: Json = {
            "name": resource.name,
            "props": dict(resource.props),
            "flags": [],
            "layer_data": [
                {"type": "DRBD", "data": {"peer_slots": 7, "al_stripes": 1, "transport_type": "IP"}},
                {"type": "STORAGE"},
            ],
            "uuid": resource.uuid,
            "resource_group_name": resource.group,
        }
        if volumes:
            rendered["volume_definitions"] = self.volume_definitions(resource)
        return rendered

    def volume_definitions(self, resource: Resource) -> list[Json]:
        """One volume, once a size is known."""
        data = [{"type": "DRBD", "data": {"volume_number": 0, "minor_number": resource.minor}}, {"type": "STORAGE"}]
        volume = {"volume_number": 0, "size_kib": resource.size_kib, "props": {}, "flags": [], "layer_data": data}
        return [volume] if resource.size_kib else []

    def resource(self, resource: Resource, replica: Replica) -> Json:
        """One replica with its volume; `state` and `connections` are there only while its satellite answers."""
        node = self._drbd.nodes[replica.node]
        online = self._drbd.is_online(node)
        drbd: Json = {
            "drbd_resource_definition": {"peer_slots": 7, "transport_type": "IP", "down": False},
            "node_id": list(resource.replicas).index(replica.node),
            "peer_slots": 7,
            "flags": ["DISKLESS"] if not replica.diskful else [],
            "drbd_volumes": [{"drbd_volume_definition": {"volume_number": 0, "minor_number": resource.minor}}],
        }
        flags = [] if replica.diskful else ["DISKLESS", "DRBD_DISKLESS"] + ["TIE_BREAKER"] * replica.tiebreaker
        rendered: Json = {
            "name": resource.name,
            "node_name": replica.node,
            "props": {"StorPoolName": node.pool} if replica.diskful else {},
            "flags": flags,
            "layer_object": {"type": "DRBD", "drbd": drbd, "children": [{"type": "STORAGE", "storage": {}}]},
            "uuid": replica.uuid,
            "create_timestamp": 0,
            "volumes": [self._volume(resource, replica, node, online)],
        }
        if online:
            drbd["connections"] = self._connections(resource, replica)
            drbd["may_promote"] = not replica.primary and not self._devices.refusal(resource, replica)
            drbd["promotion_score"] = 10101 if replica.disk == "UpToDate" else 1
            rendered["state"] = {"in_use": replica.primary}
        return rendered

    def _volume(self, resource: Resource, replica: Replica, node: Node, online: bool) -> Json:
        volume: Json = {
            "volume_number": 0,
            "storage_pool_name": node.pool if replica.diskful else "DfltDisklessStorPool",
            "provider_kind": "LVM_THIN" if replica.diskful else "DISKLESS",
            "device_path": f"/dev/drbd{resource.minor}",
            "allocated_size_kib": resource.size_kib if replica.diskful else 0,
            "props": {},
            "layer_data_list": [
                {"type": "DRBD", "data": {"device_path": f"/dev/drbd{resource.minor}"}},
                {"type": "STORAGE"},
            ],
        }
        if online:
            states = {peer.node: self._replication(replica, peer) for peer in resource.peers(replica.node)}
            volume["state"] = {"disk_state": str(replica.disk), "replication_states": states}
        return volume

    def _replication(self, replica: Replica, peer: Replica) -> Json:
        for target, source, word in ((replica, peer, "SyncTarget"), (peer, replica, "SyncSource")):
            if target.sync and target.sync.source == source.node:
                paused = "PausedSync" + word[4] if self._drbd.settings.resync_paused else word
                return {
                    "replication_state": paused,
                    "done_percentage": round(self._drbd.progress(target.sync) * 100, 2),
                }
        return {"replication_state": "Established"}

    def _connections(self, resource: Resource, replica: Replica) -> Json:
        found = {}
        for peer in resource.replicas:
            if peer != replica.node:
                connected = resource.is_connected(replica.node, peer)
                message = "Connected" if connected else "StandAlone" if peer in replica.standalone else "Connecting"
                found[peer] = {"connected": connected, "message": message}
        return found

    def connection(self, resource: Resource, one: str, other: str) -> Json:
        """Two nodes' connection with its properties."""
        props = resource.connection_props.get(frozenset({one, other}), {})
        return {"node_a": one, "node_b": other, "props": dict(props), "flags": []}

    def snapshot(self, resource: Resource, snapshot: Snapshot) -> Json:
        """A snapshot with its part on each node."""
        at = int(snapshot.taken_at * 1000)
        return {
            "name": snapshot.name,
            "resource_name": resource.name,
            "nodes": list(snapshot.held),
            "props": {},
            "flags": ["SUCCESSFUL"],
            "volume_definitions": [{"volume_number": 0, "size_kib": resource.size_kib}],
            "uuid": snapshot.uuid,
            "snapshots": [
                {
                    "snapshot_name": snapshot.name,
                    "node_name": node,
                    "create_timestamp": at,
                    "flags": [],
                    "uuid": snapshot.uuid,
                }
                for node in snapshot.held
            ],
        }
