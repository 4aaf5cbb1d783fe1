"""The array itself: identity, space, load, controllers, ports and its connections to other arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.array.errors import Refused
from sandbox.array.listing import Item, Query
from sandbox.array.routes import Body, route

if TYPE_CHECKING:
    from sandbox.array.array import Array

_LOAD = (
    "reads_per_sec",
    "writes_per_sec",
    "read_bytes_per_sec",
    "write_bytes_per_sec",
    "usec_per_read_op",
    "usec_per_write_op",
    "queue_depth",
    "queue_usec_per_mirrored_write_op",
    "queue_usec_per_read_op",
    "queue_usec_per_write_op",
)


def space(array: Array) -> Item:
    """Physical use is a share of what is provisioned, plus what a test filled."""
    provisioned = sum(volume.provisioned for volume in array.volumes)
    used = int(provisioned * array.settings.physical_share) + array.settings.filled
    return {
        "total_provisioned": provisioned,
        "used_provisioned": provisioned,
        "total_physical": used,
        "total_used": used,
        "data_reduction": 4.0,
        "total_reduction": 8.0,
        "thin_provisioning": 0.5,
        "unique": used,
        "shared": 0,
        "snapshots": 0,
        "system": 0,
        "replication": 0,
    }


@route("GET", "arrays")
def get(array: Array, query: Query, body: Body) -> list[Item]:
    """Who this is; clients compare the id, never the name."""
    settings = array.settings
    delay = int(settings.eradication_delay * 1000)
    eradication = {
        "eradication_delay": delay,
        "enabled_delay": delay,
        "disabled_delay": delay,
        "manual_eradication": "all-disabled" if settings.eradication_disabled else "all-enabled",
    }
    return [
        {
            "id": array.id,
            "name": array.name,
            "version": settings.purity,
            "os": "Purity//FA",
            "idle_timeout": int(settings.idle_timeout * 1000),
            "eradication_config": eradication,
            "capacity": settings.capacity,
            "parity": 1.0,
            "space": space(array),
        }
    ]


@route("GET", "arrays/space", "start_time end_time resolution")
def get_space(array: Array, query: Query, body: Body) -> list[Item]:
    """One sample: now."""
    identity = {"id": array.id, "name": array.name, "time": array.now_ms()}
    return [{**identity, "capacity": array.settings.capacity, "parity": 1.0, "space": space(array)}]


@route("GET", "arrays/performance", "start_time end_time resolution protocol")
def get_performance(array: Array, query: Query, body: Body) -> list[Item]:
    """The array carries no I/O: every figure is 0, but present, as Cinder needs them."""
    return [{"id": array.id, "name": array.name, "time": array.now_ms(), **dict.fromkeys(_LOAD, 0)}]


@route("GET", "array-connections")
def get_connections(array: Array, query: Query, body: Body) -> list[Item]:
    """The other arrays this one is linked with, as seen from here."""
    wanted = query.items("names")
    items: list[Item] = [
        {
            "id": other.id,
            "name": other.name,
            "status": "connected" if array.fabric.connected(array, other) else "connecting",
            "type": array.fabric.link(array, other).kind,
            "version": other.settings.purity,
            "management_address": "127.0.0.1",
            "replication_transport": "ip",
            "replication_addresses": [],
            "throttle": {},
        }
        for other in array.fabric.peers(array)
    ]
    if wanted is None:
        return items
    known = {item["name"].lower() for item in items}
    for name in wanted:
        if name.lower() not in known:
            raise Refused(name, "Array connection does not exist.")  # own wording
    return [item for item in items if item["name"].lower() in {name.lower() for name in wanted}]


@route("GET", "array-connections/path")
def get_paths(array: Array, query: Query, body: Body) -> list[Item]:
    """One path per connection."""
    return [
        {
            "name": other.name,
            "id": other.id,
            "status": "connected" if array.fabric.connected(array, other) else "connecting",
            "local_port": "ct0.eth2",
            "remote_port": "ct0.eth2",
        }
        for other in array.fabric.peers(array)
    ]


@route("POST", "array-connections", "", None)
@route("DELETE", "array-connections", "names")
def refuse_connection(array: Array, query: Query, body: Body) -> list[Item]:
    """Links are part of the world, made once by hand on real arrays too."""
    raise Refused(None, "Simulated arrays are connected when the world is made; use its control port to cut links.")


@route("GET", "controllers")
def get_controllers(array: Array, query: Query, body: Body) -> list[Item]:
    """Two, both healthy."""
    modes = (("CT0", "primary"), ("CT1", "secondary"))
    return [
        {"name": name, "mode": mode, "status": "ready", "type": "array_controller", "model": "FA-X20R4"}
        for name, mode in modes
    ]


@route("GET", "ports")
def get_ports(array: Array, query: Query, body: Body) -> list[Item]:
    """iSCSI target ports; the addresses are documentation addresses (RFC 5737) and lead nowhere."""
    wanted = query.items("names")
    net = 1 + sorted(array.fabric.arrays).index(array.name)
    ports = [
        {
            "name": f"CT{controller}.ETH{port}",
            "iqn": f"iqn.2010-06.com.purestorage:flasharray.{array.id[:8]}",
            "nqn": None,
            "wwn": None,
            "portal": f"198.51.100.{net * 10 + controller * 4 + port - 4}:3260",
            "failover": None,
        }
        for controller in (0, 1)
        for port in (4, 5)
    ]
    return ports if wanted is None else [port for port in ports if port["name"] in wanted]


@route("GET", "network-interfaces")
def get_interfaces(array: Array, query: Query, body: Body) -> list[Item]:
    """Plain Ethernet, no bonds."""
    return [
        {
            "name": port["name"].lower(),
            "enabled": True,
            "interface_type": "eth",
            "services": ["iscsi"],
            "speed": 10_000_000_000,
            "eth": {"subtype": "physical", "address": port["portal"].partition(":")[0], "mtu": 9000},
        }
        for port in get_ports(array, Query({}), {})
    ]


@route("GET", "alerts")
def get_alerts(array: Array, query: Query, body: Body) -> list[Item]:
    """None is open."""
    return []
