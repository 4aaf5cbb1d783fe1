"""Glance v2, as little of it as a boot from volume needs: images by id and name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sandbox.clock import Clock
from sandbox.cloud.errors import Forbidden, NotFound
from sandbox.cloud.ids import new_id, stamp
from sandbox.cloud.listing import page
from sandbox.cloud.wire import Call, Reply, Route, Service

__all__ = ["SERVICE", "Image", "Images"]


@dataclass(eq=False)
class Image:
    """One image; its bits do not exist."""

    id: str
    name: str
    owner: str
    created_at: float
    disk_format: str = "qcow2"
    container_format: str = "bare"
    visibility: str = "public"
    size: int = 1024
    status: str = "active"
    properties: dict[str, str] = field(default_factory=dict)


class Images:
    """Glance of one cloud."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.images: dict[str, Image] = {}

    def add(self, name: str, owner: str) -> Image:
        """A public image, ready for use."""
        item = Image(new_id(), name, owner, self.clock.now())
        self.images[item.id] = item
        return item


def _image(call: Call) -> Image:
    item = call.cloud.image.images.get(call.params["id"])
    if item is None or not (item.visibility == "public" or call.sees(item.owner)):
        raise NotFound(f"Failed to find image {call.params['id']}")
    return item


def _view(item: Image) -> dict[str, Any]:
    return {
        **item.properties,
        "id": item.id,
        "name": item.name,
        "status": item.status,
        "visibility": item.visibility,
        "owner": item.owner,
        "disk_format": item.disk_format,
        "container_format": item.container_format,
        "size": item.size if item.status == "active" else None,
        "virtual_size": None,
        "checksum": None,
        "min_disk": 0,
        "min_ram": 0,
        "protected": False,
        "os_hidden": False,
        "tags": [],
        "created_at": stamp(item.created_at),
        "updated_at": stamp(item.created_at),
        "self": f"/v2/images/{item.id}",
        "file": f"/v2/images/{item.id}/file",
        "schema": "/v2/schemas/image",
    }


def index(call: Call) -> Reply:
    """Public images and one's own, filtered by name, status, visibility or owner."""
    items = [item for item in call.cloud.image.images.values() if item.visibility == "public" or call.sees(item.owner)]
    for key in ("name", "status", "visibility", "owner"):
        items = [item for item in items if key not in call.query or getattr(item, key) == call.query[key]]
    chosen, _ = page(items, call.query, lambda item: item.id)
    listing = [_view(item) for item in chosen]
    return Reply(200, {"images": listing, "first": "/v2/images", "schema": "/v2/schemas/images"})


def show(call: Call) -> Reply:
    """One image."""
    return Reply(200, _view(_image(call)))


def create(call: Call) -> Reply:
    """A record without bits: at once `active`, as nothing is ever read from it."""
    given = call.body if isinstance(call.body, dict) else {}
    item = call.cloud.image.add(str(given.get("name", "")), call.project_id)
    item.disk_format = str(given.get("disk_format") or "qcow2")
    item.visibility = str(given.get("visibility") or "shared")
    if item.visibility == "public" and not call.is_admin:
        del call.cloud.image.images[item.id]
        raise Forbidden("You are not authorized to complete publicize_image action.")
    return Reply(201, _view(item))


def delete(call: Call) -> Reply:
    """By the owner."""
    item = _image(call)
    if not call.sees(item.owner):
        raise Forbidden("You are not authorized to complete delete_image action.")
    del call.cloud.image.images[item.id]
    return Reply(204)


def versions(call: Call) -> Reply:
    """GET / is 300, GET /versions is 200."""
    root = call.cloud.root_of("image")
    rows = [
        {"id": f"v2.{minor}", "status": status, "links": [{"rel": "self", "href": f"{root}/v2/"}]}
        for minor, status in ((17, "CURRENT"), (9, "SUPPORTED"), (0, "SUPPORTED"))
    ]
    return Reply(300 if call.path == "/" else 200, {"versions": rows})


SERVICE = Service(
    "image",
    (
        Route("GET", "/", versions, public=True),
        Route("GET", "/versions", versions, public=True),
        Route("GET", "/v2/images", index),
        Route("POST", "/v2/images", create),
        Route("GET", "/v2/images/{id}", show),
        Route("DELETE", "/v2/images/{id}", delete),
    ),
)
