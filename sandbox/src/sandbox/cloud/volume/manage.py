"""Taking over array volumes that Cinder does not know yet, and listing them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from sandbox.cloud.errors import BadRequest, NotFound, OverLimit
from sandbox.cloud.ids import is_id
from sandbox.cloud.listing import page
from sandbox.cloud.volume import views
from sandbox.cloud.volume.driver import BackendError
from sandbox.cloud.volume.model import GIB, Volume, VolumeType
from sandbox.cloud.volume.store import Volumes
from sandbox.cloud.volume.volumes import checked_metadata, store
from sandbox.cloud.wire import Call, Reply, Route

_MANAGED_NAME = re.compile(r"^volume-([0-9a-f-]{36})(?:-cinder)?$")


def manage(call: Call) -> Reply:
    """202 and a volume in `managing`, which the API shows as `creating`; what the driver refuses comes later as `error`."""
    call.cloud.policy.enforce(call, "volume_extension:volume_manage")
    if "manageable_volumes" in call.path:
        call.needs(8, 3)
    given = call.part("volume")
    reference = given.get("ref")
    if not isinstance(reference, dict) or not reference:
        raise BadRequest("Invalid input for field/attribute volume. 'ref' is a required property")
    cinder = store(call)
    _check_already_managed(cinder, reference)
    host = _host(call, given)
    type_ = _type(cinder, given.get("volume_type"))
    volume = cinder.new_volume(call.who, 0, type_, host=host)
    volume.status = "managing"
    volume.name, volume.description = given.get("name"), given.get("description")
    volume.metadata = checked_metadata(given.get("metadata") or {})
    volume.bootable = str(given.get("bootable", False)).lower() in ("true", "1", "yes", "on", "t", "y")
    told = {"metadata": dict(volume.metadata), "reference": reference.get("source-name")}
    cinder.note("volume", "created", volume.id, volume.name, **told)
    body = orjson.dumps({"volume": views.volume(volume, call)})
    cinder.later(cinder.profile.current.manage, volume, lambda: _take_over(cinder, volume, reference), "error_managing")
    return Reply(202, orjson.Fragment(body))


def _check_already_managed(cinder: Volumes, reference: Mapping[str, Any]) -> None:
    """Cinder knows its own name pattern, but not the `-cinder` that the driver appends: those names it lets pass,
    and the array volume is taken from the Cinder volume that had it.
    """
    if str(reference.get("source-name", "")).removeprefix("volume-") in cinder.volumes:
        raise BadRequest("Invalid volume: Unable to manage existing volume. The volume is already managed")


def _type(cinder: Volumes, wanted: Any) -> VolumeType:
    try:
        return cinder.type_of(wanted)
    except NotFound as error:
        raise BadRequest(f"Invalid volume type: Cannot find requested '{wanted}' volume type") from error


def _host(call: Call, given: Mapping[str, Any]) -> str:
    """`host@backend[#pool]` of a service that is there, enabled and up; Cinder says 400 for all three."""
    host = given.get("host")
    if not host:
        raise BadRequest("Invalid input received: Either 'host' or 'cluster' must be specified.")
    cinder = store(call)
    if str(host).split("#")[0] != cinder.pool.split("#")[0]:
        raise BadRequest(f"Host '{host}' not found")
    if "cinder-volume" in cinder.service_disabled or "cinder-volume" in call.cloud.services_down:
        raise BadRequest("Service is unavailable at this time.")
    return str(host)


def _take_over(cinder: Volumes, volume: Volume, reference: Mapping[str, Any]) -> None:
    """What cinder-volume does: size, quota, then the driver; BackendError becomes `error_managing`."""
    name = reference.get("source-name")
    if not isinstance(name, str) or not name:
        raise BackendError("manage_existing requires a 'source-name' key to identify an existing volume")
    size = cinder.backend.size_to_manage(name)
    try:
        cinder.check_quota(volume.project_id, size, volumes=0)
    except OverLimit as error:
        raise BackendError(error.message) from error
    volume.size = size
    own_name = cinder.backend.volume_name(volume.id)
    fails = cinder.fail_manages > 0
    if fails:
        cinder.fail_manages -= 1
        if not cinder.half_managed:
            raise BackendError("Managing was ordered to fail")
    cinder.backend.manage(name, own_name, replicated=volume.type.replicated, tags=cinder.tags(volume))
    if fails:
        raise BackendError("Managing was ordered to fail half-way")
    cinder.built(volume, own_name, managed=True)
    cinder.note("volume", "managed", volume.id, volume.name, reference=name)


def manageable(call: Call) -> Reply:
    """Every array volume with whether it could be managed; slow on purpose nowhere, but it lists the whole array."""
    call.cloud.policy.enforce(call, "volume_extension:list_manageable")
    if "manageable_volumes" in call.path:
        call.needs(8, 3)
    if "host" not in call.query:
        raise BadRequest("Invalid input received: Either 'host' or 'cluster' must be specified.")
    try:
        items = store(call).backend.names()
    except BackendError as error:
        raise BadRequest(f"Volume driver reported an error: {error}") from error
    detailed = call.path.endswith("/detail")
    entries = [_manageable(store(call), item, detailed) for item in items]
    chosen, _ = page(entries, call.query, lambda entry: str(entry["reference"]["name"]))
    return Reply(200, {"manageable-volumes": list(chosen)})


def _manageable(cinder: Volumes, item: Mapping[str, Any], detailed: bool) -> dict[str, Any]:
    name = str(item["name"])
    match = _MANAGED_NAME.match(name)
    known = match.group(1) if match and is_id(match.group(1)) and match.group(1) in cinder.volumes else None
    reason = "Volume already managed" if known else None
    if not known and int(item.get("connection_count") or 0) > 0:
        reason = "Volume connected to a host"
    entry: dict[str, Any] = {
        "reference": {"name": name},
        "size": -(-int(item["provisioned"]) // GIB),
        "safe_to_manage": reason is None,
    }
    return {**entry, "reason_not_safe": reason, "cinder_id": known, "extra_info": None} if detailed else entry


ROUTES = tuple(
    Route(method, path, handler)
    for base in ("/os-volume-manage", "/manageable_volumes")
    for method, path, handler in (
        ("POST", base, manage),
        ("GET", base, manageable),
        ("GET", base + "/detail", manageable),
    )
)
