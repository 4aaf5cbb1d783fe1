"""Nova v2.1 up to 2.96: servers and their life, disks, ports, flavors, keys, groups and quotas."""

from __future__ import annotations

from typing import Any

from sandbox.cloud.compute import actions, admin, attachments, flavors, groups, servers
from sandbox.cloud.versions import COMPUTE
from sandbox.cloud.wire import Call, Reply, Route, Service

__all__ = ["SERVICE"]

_TABLE = (*servers.ROUTES, *actions.ROUTES, *attachments.ROUTES, *flavors.ROUTES, *groups.ROUTES, *admin.ROUTES)


def _version(call: Call) -> dict[str, Any]:
    return {
        "id": "v2.1",
        "status": "CURRENT",
        "version": "2.96",
        "min_version": "2.1",
        "updated": "2013-07-23T11:33:21Z",
        "links": [{"rel": "self", "href": f"{call.cloud.root_of('compute')}/v2.1/"}],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.compute+json;version=2.1"}],
    }


def _versions(call: Call) -> Reply:
    """GET /."""
    return Reply(200, {"versions": [_version(call)]})


def _one_version(call: Call) -> Reply:
    """GET /v2.1/."""
    return Reply(200, {"version": _version(call)})


SERVICE = Service(
    "compute",
    (
        Route("GET", "/", _versions, public=True),
        Route("GET", "/v2.1", _one_version, public=True),
        Route("GET", "/v2.1/", _one_version, public=True),
        *(Route(item.method, "/v2.1" + item.path, item.handler) for item in _TABLE),
    ),
    COMPUTE,
)
