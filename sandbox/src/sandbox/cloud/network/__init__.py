"""Neutron v2.0: networks, subnets, ports, security groups."""

from __future__ import annotations

from sandbox.cloud.network import networks, ports, security
from sandbox.cloud.wire import Call, Reply, Route, Service

__all__ = ["SERVICE"]

_TABLE = (*networks.ROUTES, *security.ROUTES, *ports.ROUTES)


def _versions(call: Call) -> Reply:
    """GET /."""
    links = [{"rel": "self", "href": f"{call.cloud.root_of('network')}/v2.0/"}]
    return Reply(200, {"versions": [{"id": "v2.0", "status": "CURRENT", "links": links}]})


def _resources(call: Call) -> Reply:
    """GET /v2.0/."""
    names = ("network", "subnet", "port", "security-group", "security-group-rule")
    base = f"{call.cloud.root_of('network')}/v2.0"
    rows = [
        {"name": name, "collection": f"{name}s", "links": [{"rel": "self", "href": f"{base}/{name}s"}]}
        for name in names
    ]
    return Reply(200, {"resources": rows})


SERVICE = Service(
    "network",
    (
        Route("GET", "/", _versions, public=True),
        Route("GET", "/v2.0", _resources),
        Route("GET", "/v2.0/", _resources),
        *(Route(item.method, "/v2.0" + item.path, item.handler) for item in _TABLE),
    ),
)
