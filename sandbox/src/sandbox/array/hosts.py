"""Hosts and their connections to volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.array import names
from sandbox.array.errors import Refused, each
from sandbox.array.listing import Item, Query
from sandbox.array.model import Host, Volume
from sandbox.array.routes import Body, route

if TYPE_CHECKING:
    from sandbox.array.array import Array

_LUNS = range(1, 16_384)
_PORTS = {"iqns": "IQN", "wwns": "WWN", "nqns": "NQN"}


def _render(array: Array, host: Host) -> Item:
    return {
        "id": host.id,
        "name": host.name,
        "is_local": True,
        "iqns": host.iqns,
        "wwns": host.wwns,
        "nqns": host.nqns,
        "personality": host.personality,
        "chap": host.chap,
        "host_group": {},
        "preferred_arrays": [],
        "port_connectivity": {"details": "None", "status": "critical"},
        "connection_count": len(host.luns),
    }


@route("GET", "hosts")
def get(array: Array, query: Query, body: Body) -> list[Item]:
    """By names (absent is an error), or all."""
    wanted = query.items("names")
    chosen = array.hosts if wanted is None else each(wanted, array.hosts.need)
    return [_render(array, host) for host in chosen]


@route("POST", "hosts", "names", "iqns wwns nqns personality chap preferred_arrays")
def post(array: Array, query: Query, body: Body) -> list[Item]:
    """Create; an initiator belongs to one host."""

    def act(name: str) -> Item:
        names.check_simple(name, "host")
        array.hosts.check_free(name)
        host = Host(name)
        _set(array, host, body)
        return _render(array, array.hosts.add(host))

    return each(query.required("names"), act)


@route(
    "PATCH",
    "hosts",
    "names",
    "name iqns wwns nqns personality chap preferred_arrays add_iqns add_wwns add_nqns remove_iqns remove_wwns remove_nqns",
)
def patch(array: Array, query: Query, body: Body) -> list[Item]:
    """Change initiators (all of them, or some added and removed), personality, CHAP or name."""

    def act(name: str) -> Item:
        host = array.hosts.need(name)
        _set(array, host, body)
        if "name" in body:
            names.check_simple(str(body["name"]), "host")
            array.hosts.rename(host, str(body["name"]))
        return _render(array, host)

    return each(query.required("names"), act)


@route("DELETE", "hosts", "names")
def delete(array: Array, query: Query, body: Body) -> list[Item]:
    """Delete at once, never pending; refused while it is connected."""

    def act(name: str) -> Item:
        host = array.hosts.need(name)
        if host.luns:
            raise Refused(name, "Host cannot be deleted due to existing connections.")
        array.hosts.remove(host)
        return {}

    return each(query.required("names"), act)


@route("GET", "connections", "host_names volume_names host_group_names protocol_endpoint_ids")
def get_connections(array: Array, query: Query, body: Body) -> list[Item]:
    """Who is connected to what; a named host or volume must exist."""
    hosts, volumes = query.items("host_names"), query.items("volume_names")
    wanted = None if hosts is None else {host.id for host in each(hosts, array.hosts.need)}
    chosen = array.volumes if volumes is None else each(volumes, array.volumes.need)
    return [
        _connection(array, volume, host_id)
        for volume in chosen
        for host_id in volume.connections
        if wanted is None or host_id in wanted
    ]


@route("POST", "connections", "host_names volume_names", "lun")
def post_connections(array: Array, query: Query, body: Body) -> list[Item]:
    """Connect each host to each volume, under the lowest LUN the host has free, counted from 1."""
    done: list[Item] = []
    for host in each(query.required("host_names"), array.hosts.need):
        for volume in each(query.required("volume_names"), array.volumes.alive):
            if host.id in volume.connections:
                raise Refused(volume.name, "Connection already exists.")
            used = set(host.luns.values())
            lun = int(body.get("lun") or next(lun for lun in _LUNS if lun not in used))
            volume.connections[host.id] = host.luns[volume.id] = lun
            done.append(_connection(array, volume, host.id))
    return done


@route("DELETE", "connections", "host_names volume_names host_group_names")
def delete_connections(array: Array, query: Query, body: Body) -> list[Item]:
    """Disconnect."""
    for host in each(query.required("host_names"), array.hosts.need):
        for volume in each(query.required("volume_names"), array.volumes.need):
            if host.luns.pop(volume.id, None) is None:
                raise Refused(volume.name, "Connection does not exist.")
            del volume.connections[host.id]
    return []


def _connection(array: Array, volume: Volume, host_id: str) -> Item:
    host = array.hosts.by_id(host_id)
    return {
        "host": {"name": host.name if host else host_id},
        "host_group": {},
        "volume": {"name": volume.name, "id": volume.id},
        "lun": volume.connections[host_id],
        "protocol_endpoint": {},
    }


def _set(array: Array, host: Host, body: Body) -> None:
    for kind, label in _PORTS.items():
        ports = list(getattr(host, kind)) if body.get(kind) is None else [str(port) for port in body[kind]]
        ports = [port for port in ports if port not in (body.get(f"remove_{kind}") or [])]
        ports += [port for port in body.get(f"add_{kind}") or [] if port not in ports]
        for port in ports:
            if any(port in getattr(other, kind) for other in array.hosts if other is not host):
                raise Refused(port, f"The specified {label} is already in use.")
        setattr(host, kind, ports)
    host.personality = body.get("personality", host.personality)
    host.chap = body.get("chap") or host.chap
