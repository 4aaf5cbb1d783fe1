"""Placement: only its version, and the one resource provider administrators may list."""

from __future__ import annotations

from sandbox.cloud.versions import PLACEMENT
from sandbox.cloud.wire import Call, Reply, Route, Service

__all__ = ["SERVICE"]


def version(call: Call) -> Reply:
    """GET /."""
    links = [{"rel": "self", "href": ""}]
    entry = {"id": "v1.0", "max_version": "1.39", "min_version": "1.0", "status": "CURRENT", "links": links}
    return Reply(200, {"versions": [entry]})


def providers(call: Call) -> Reply:
    """The compute host."""
    call.admin_only("placement:resource_providers:list")
    row = {"uuid": call.cloud.provider_id, "name": call.cloud.compute.host, "generation": 1, "links": []}
    return Reply(200, {"resource_providers": [row]})


SERVICE = Service(
    "placement",
    (Route("GET", "/", version, public=True), Route("GET", "/resource_providers", providers)),
    PLACEMENT,
)
