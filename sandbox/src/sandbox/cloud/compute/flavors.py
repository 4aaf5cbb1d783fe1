"""Flavors and key pairs over HTTP."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any

from sandbox.cloud.compute import views
from sandbox.cloud.compute.model import Flavor, KeyPair
from sandbox.cloud.errors import BadRequest, Conflict, Forbidden, NotFound
from sandbox.cloud.ids import new_id
from sandbox.cloud.listing import page
from sandbox.cloud.wire import Call, Reply, Route

_SIZES = ("vcpus", "ram", "disk", "swap", "OS-FLV-EXT-DATA:ephemeral")


def _flavor(call: Call) -> Flavor:
    item = call.cloud.compute.flavors.get(call.params["id"])
    if item is None:
        raise NotFound(f"Flavor {call.params['id']} could not be found.")
    return item


def list_flavors(call: Call) -> Reply:
    """Ids and names, or everything on `/detail`."""
    items = list(call.cloud.compute.flavors.values())
    low = {"ram": int(call.query.get("minRam") or 0), "disk": int(call.query.get("minDisk") or 0)}
    items = [item for item in items if item.ram >= low["ram"] and item.disk >= low["disk"]]
    chosen, _ = page(items, call.query, lambda item: item.id)
    rows = [views.flavor(item, call) for item in chosen]
    if not call.path.endswith("/detail"):
        rows = [{key: row[key] for key in ("id", "name", "links", "description") if key in row} for row in rows]
    return Reply(200, {"flavors": rows})


def show_flavor(call: Call) -> Reply:
    """One flavor by id; names are the client's affair."""
    return Reply(200, {"flavor": views.flavor(_flavor(call), call)})


def create_flavor(call: Call) -> Reply:
    """A new flavor, by an administrator."""
    call.admin_only("os_compute_api:os-flavor-manage:create")
    given, flavors = call.part("flavor"), call.cloud.compute.flavors
    identifier = str(given.get("id") or "auto")
    identifier = new_id() if identifier == "auto" else identifier
    if identifier in flavors or any(item.name == given.get("name") for item in flavors.values()):
        raise Conflict(f"Flavor with name {given.get('name')} already exists.")
    vcpus, ram, disk, swap, ephemeral = (int(given.get(key) or 0) for key in _SIZES)
    if vcpus < 1 or ram < 1:
        raise BadRequest("Invalid input for field/attribute flavor. 'vcpus' and 'ram' must be at least 1")
    item = Flavor(identifier, str(given.get("name")), vcpus, ram, disk, ephemeral, swap)
    flavors[item.id] = item
    return Reply(200, {"flavor": views.flavor(item, call)})


def delete_flavor(call: Call) -> Reply:
    """Servers keep their copy of it."""
    call.admin_only("os_compute_api:os-flavor-manage:delete")
    del call.cloud.compute.flavors[_flavor(call).id]
    return Reply(202)


def extra_specs(call: Call) -> Reply:
    """What the flavor asks of a host."""
    return Reply(200, {"extra_specs": dict(_flavor(call).extra_specs)})


def _owner(call: Call) -> str:
    """Whose keys: one's own; another user's from 2.10 for administrators."""
    user = call.query.get("user_id")
    if user is None or call.minor < 10 or user == call.who.user_id:
        return call.who.user_id
    if not call.is_admin:
        raise Forbidden("Policy doesn't allow os_compute_api:os-keypairs:show to be performed.")
    return user


def list_keypairs(call: Call) -> Reply:
    """The keys of one user."""
    owner = _owner(call)
    items = [item for item in call.cloud.compute.keypairs.values() if item.user_id == owner]
    return Reply(200, {"keypairs": [{"keypair": views.keypair(item, call, shown=False)} for item in items]})


def show_keypair(call: Call) -> Reply:
    """One key by name."""
    return Reply(200, {"keypair": views.keypair(_keypair(call), call)})


def delete_keypair(call: Call) -> Reply:
    """204 from 2.2, 202 before."""
    item = _keypair(call)
    del call.cloud.compute.keypairs[item.user_id, item.name]
    return Reply(204 if call.minor >= 2 else 202)


def create_keypair(call: Call) -> Reply:
    """Import a public key; from 2.92 there is no other way, and there never is one here."""
    given = call.part("keypair")
    owner = str(given.get("user_id") or call.who.user_id)
    if owner != call.who.user_id:
        call.admin_only("os_compute_api:os-keypairs:create")
    name, public_key = str(given.get("name") or ""), given.get("public_key")
    if not name or not isinstance(public_key, str):
        raise BadRequest("Invalid input for field/attribute keypair. 'name' and 'public_key' are required properties")
    if (owner, name) in call.cloud.compute.keypairs:
        raise Conflict(f"Key pair '{name}' already exists.")
    item = KeyPair(name, owner, public_key, fingerprint(public_key), call.cloud.clock.now())
    call.cloud.compute.keypairs[owner, name] = item
    body: dict[str, Any] = {**views.keypair(item, call, shown=False), "user_id": owner}
    return Reply(201 if call.minor >= 2 else 200, {"keypair": body})


def fingerprint(public_key: str) -> str:
    """The MD5 colon form Nova shows; 400 for what is no OpenSSH public key."""
    parts = public_key.split()
    try:
        raw = base64.b64decode(parts[1], validate=True)
    except (IndexError, binascii.Error) as error:
        raise BadRequest("Keypair data is invalid: failed to generate fingerprint") from error
    digest = hashlib.md5(raw, usedforsecurity=False).hexdigest()
    return ":".join(digest[index : index + 2] for index in range(0, 32, 2))


def _keypair(call: Call) -> KeyPair:
    owner = _owner(call)
    item = call.cloud.compute.keypairs.get((owner, call.params["name"]))
    if item is None:
        raise NotFound(f"Keypair {call.params['name']} not found for user {owner}")
    return item


ROUTES = (
    Route("GET", "/flavors", list_flavors),
    Route("POST", "/flavors", create_flavor),
    Route("GET", "/flavors/detail", list_flavors),
    Route("GET", "/flavors/{id}", show_flavor),
    Route("DELETE", "/flavors/{id}", delete_flavor),
    Route("GET", "/flavors/{id}/os-extra_specs", extra_specs),
    Route("GET", "/os-keypairs", list_keypairs),
    Route("POST", "/os-keypairs", create_keypair),
    Route("GET", "/os-keypairs/{name}", show_keypair),
    Route("DELETE", "/os-keypairs/{name}", delete_keypair),
)
