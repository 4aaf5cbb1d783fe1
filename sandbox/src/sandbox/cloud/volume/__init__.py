"""Cinder v3 with one Pure backend: volumes, groups, snapshots, types, manage and unmanage."""

from __future__ import annotations

from typing import Any

from sandbox.cloud.versions import VOLUME
from sandbox.cloud.volume import actions, admin, groups, manage, snapshots, types, volumes
from sandbox.cloud.wire import Call, Reply, Route, Service

__all__ = ["SERVICE"]

_TABLE = (
    *volumes.ROUTES,
    *actions.ROUTES,
    *manage.ROUTES,
    *groups.ROUTES,
    *snapshots.ROUTES,
    *types.ROUTES,
    *admin.ROUTES,
)


def _versions(call: Call) -> Reply:
    """GET / is 300, GET /v3/ is 200, both with the range of microversions."""
    entry: dict[str, Any] = {
        "id": "v3.0",
        "status": "CURRENT",
        "version": "3.70",
        "min_version": "3.0",
        "updated": "2023-08-31T00:00:00Z",
        "links": [{"rel": "self", "href": f"{call.cloud.root_of('volume')}/v3/"}],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.volume+json;version=3"}],
    }
    return Reply(300 if call.path == "/" else 200, {"versions": [entry]})


def _prefixed() -> tuple[Route, ...]:
    """Every route with the project in its path, and without it, as Cinder has had it since 3.67."""
    prefixes = ("/v3/{project_id:[0-9a-f]{32}}", "/v3")
    return tuple(Route(item.method, prefix + item.path, item.handler) for prefix in prefixes for item in _TABLE)


SERVICE = Service(
    "volume",
    (
        Route("GET", "/", _versions, public=True),
        Route("GET", "/v3", _versions),  # below the root only with a token, as in Cinder's own paste file
        Route("GET", "/v3/", _versions),
        *_prefixed(),
    ),
    VOLUME,
)
