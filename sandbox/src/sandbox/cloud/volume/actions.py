"""POST /volumes/{id}/action: one key says what to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sandbox.cloud.errors import BadRequest, Forbidden
from sandbox.cloud.volume.model import Volume
from sandbox.cloud.volume.volumes import check_deletable, checked_metadata, store, volume_of
from sandbox.cloud.wire import Call, Reply, Route


def act(call: Call) -> Reply:
    """Dispatch by the body's only key; 400 for an action nobody knows."""
    volume = volume_of(call)
    if not isinstance(call.body, dict) or len(call.body) != 1:
        raise BadRequest("Malformed request body: an action has exactly one key")
    name, given = next(iter(call.body.items()))
    action = _ACTIONS.get(name)
    if action is None:
        raise BadRequest(f"There is no such action: {name}")
    reply = action(call, volume, given if isinstance(given, dict) else {})
    volume.updated_at = store(call).clock.now()
    return reply


def _set_bootable(call: Call, volume: Volume, given: Mapping[str, Any]) -> Reply:
    value = given.get("bootable")
    if not isinstance(value, bool) and str(value).lower() not in ("true", "false", "1", "0"):
        raise BadRequest(f"Invalid value for bootable: {value}. Boolean is expected.")
    volume.bootable = str(value).lower() in ("true", "1")
    return Reply(200)


def _set_image_metadata(call: Call, volume: Volume, given: Mapping[str, Any]) -> Reply:
    volume.image_metadata = {**volume.image_metadata, **checked_metadata(given.get("metadata"))}
    return Reply(200, {"metadata": volume.image_metadata})


def _unset_image_metadata(call: Call, volume: Volume, given: Mapping[str, Any]) -> Reply:
    volume.image_metadata = {key: value for key, value in volume.image_metadata.items() if key != given.get("key")}
    return Reply(200)


def _show_image_metadata(call: Call, volume: Volume, given: Mapping[str, Any]) -> Reply:
    return Reply(200, {"metadata": volume.image_metadata})


def _reset_status(call: Call, volume: Volume, given: Mapping[str, Any]) -> Reply:
    call.admin_only("volume_extension:volume_admin_actions:reset_status")
    if "status" in given:
        volume.status = str(given["status"])
    if given.get("attach_status") == "detached":
        for entry in volume.attachments:
            store(call).detach(volume, entry.server_id)
        volume.status = str(given.get("status", volume.status))
    return Reply(202)


def _extend(call: Call, volume: Volume, given: Mapping[str, Any]) -> Reply:
    size = given.get("new_size")
    if not isinstance(size, int) or size <= volume.size:
        raise BadRequest(
            f"Invalid input received: New size for extend must be greater than current size. "
            f"(current: {volume.size}, extended: {size})."
        )
    if volume.status != "available" and not (volume.status == "in-use" and call.minor >= 42):
        raise BadRequest(f"Invalid volume: Volume {volume.id} status must be available to extend.")
    cinder, before = store(call), volume.status
    cinder.check_quota(call.project_id, size - volume.size, volumes=0)
    volume.status = "extending"

    def work() -> None:
        cinder.backend.extend(str(volume.provider_id), size)
        volume.size, volume.status = size, before

    cinder.later(cinder.profile.current.volume, volume, work, "error_extending")
    return Reply(202)


def _unmanage(call: Call, volume: Volume, given: Mapping[str, Any]) -> Reply:
    call.cloud.policy.enforce(call, "volume_extension:volume_unmanage", volume.project_id)
    cinder = store(call)
    check_deletable(cinder, volume)
    managing = volume.status == "error_managing"
    volume.status = "error_managing_deleting" if managing else "unmanaging"

    def work() -> None:
        cinder.backend.unmanage(volume.provider_id)
        cinder.forget(volume)

    cinder.later(cinder.profile.current.manage, volume, work, "error_unmanaging")
    return Reply(202)


def _force_delete(call: Call, volume: Volume, given: Mapping[str, Any]) -> Reply:
    call.admin_only("volume_extension:volume_admin_actions:force_delete")
    check_deletable(store(call), volume, force=True)
    store(call).delete(volume)
    return Reply(202)


def _reserve(call: Call, volume: Volume, given: Mapping[str, Any]) -> Reply:
    store(call).reserve(volume)
    return Reply(202)


def _unreserve(call: Call, volume: Volume, given: Mapping[str, Any]) -> Reply:
    store(call).unreserve(volume)
    return Reply(202)


def _attach(call: Call, volume: Volume, given: Mapping[str, Any]) -> Reply:
    _services_only(call, "volume_extension:volume_actions:attach")
    store(call).attach(
        volume, str(given.get("instance_uuid")), str(given.get("mountpoint", "/dev/vdb")), store(call).host
    )
    return Reply(202)


def _detach(call: Call, volume: Volume, given: Mapping[str, Any]) -> Reply:
    """Since CVE-2023-2088 only Nova may, and the refusal says so."""
    _services_only(call, "volume_extension:volume_actions:detach")
    if not volume.attachments:
        raise BadRequest("Invalid volume: Unable to detach volume. Volume status must be 'in-use'.")
    store(call).detach(volume, volume.attachments[0].server_id)
    return Reply(202)


def _services_only(call: Call, rule: str) -> None:
    if "service" not in call.who.role_names:
        raise Forbidden(f"Policy doesn't allow {rule} to be performed.")


def _set_readonly(call: Call, volume: Volume, given: Mapping[str, Any]) -> Reply:
    volume.metadata = {**volume.metadata, "readonly": str(bool(given.get("readonly")))}
    return Reply(202)


_ACTIONS: Mapping[str, Callable[[Call, Volume, Mapping[str, Any]], Reply]] = {
    "os-set_bootable": _set_bootable,
    "os-set_image_metadata": _set_image_metadata,
    "os-unset_image_metadata": _unset_image_metadata,
    "os-show_image_metadata": _show_image_metadata,
    "os-reset_status": _reset_status,
    "os-extend": _extend,
    "os-unmanage": _unmanage,
    "os-force_delete": _force_delete,
    "os-reserve": _reserve,
    "os-unreserve": _unreserve,
    "os-attach": _attach,
    "os-detach": _detach,
    "os-update_readonly_flag": _set_readonly,
}
ROUTES = (Route("POST", "/volumes/{id}/action", act),)
