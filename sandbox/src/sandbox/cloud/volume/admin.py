"""Services, pools, quotas, limits, zones and attachments of Cinder over HTTP."""

from __future__ import annotations

from typing import Any

from sandbox.cloud.errors import BadRequest, Forbidden, NotFound
from sandbox.cloud.ids import micro_stamp
from sandbox.cloud.volume import views
from sandbox.cloud.volume.driver import BackendError
from sandbox.cloud.volume.store import QUOTAS, ZONE
from sandbox.cloud.volume.volumes import store
from sandbox.cloud.wire import Call, Reply, Route


def services(call: Call) -> Reply:
    """The scheduler and the one volume service; `up` unless a knob says otherwise."""
    call.cloud.policy.enforce(call, "volume_extension:services:index")
    if not call.is_admin:
        # The relaxed policy lets a member's call pass, and then Cinder's database layer wants an administrator.
        raise Forbidden("User does not have admin privileges")
    rows = [
        _service(call, "cinder-scheduler", store(call).host),
        _service(call, "cinder-volume", f"{store(call).host}@pure"),
    ]
    for key in ("binary", "host"):
        rows = [row for row in rows if key not in call.query or row[key] == call.query[key]]
    return Reply(200, {"services": rows})


def _service(call: Call, binary: str, host: str) -> dict[str, Any]:
    reason = store(call).service_disabled.get(binary)
    row: dict[str, Any] = {
        "binary": binary,
        "host": host,
        "zone": ZONE,
        "status": "enabled" if reason is None else "disabled",
        "state": "down" if binary in call.cloud.services_down else "up",
        "updated_at": micro_stamp(store(call).clock.now()),
        "disabled_reason": reason,
    }
    if binary == "cinder-volume":
        row.update({"replication_status": "enabled", "active_backend_id": None, "frozen": False})
    if call.minor >= 7:
        row["cluster"] = None
    if call.minor >= 49:
        row["backend_state"] = "up"
    return row


def switch_service(call: Call) -> Reply:
    """PUT os-services/enable, disable and disable-log-reason, for administrators."""
    call.admin_only("volume_extension:services:update")
    binary, what = str((call.body or {}).get("binary")), call.params["what"]
    if what == "enable":
        store(call).service_disabled.pop(binary, None)
    elif what in ("disable", "disable-log-reason"):
        store(call).service_disabled[binary] = str((call.body or {}).get("disabled_reason") or "")
    else:
        raise NotFound("Unknown action")
    status = "disabled" if binary in store(call).service_disabled else "enabled"
    return Reply(200, {"host": (call.body or {}).get("host"), "service": binary, "binary": binary, "status": status})


def pools(call: Call) -> Reply:
    """The backend's only pool with what the driver reports of it."""
    call.cloud.policy.enforce(call, "scheduler_extension:scheduler_stats:get_pools")
    cinder = store(call)
    entry: dict[str, Any] = {"name": cinder.pool}
    if call.flag("detail"):
        try:
            capacity, used = cinder.backend.space()
        except BackendError as error:
            raise BadRequest(f"Volume driver reported an error: {error}") from error
        entry["capabilities"] = {
            "volume_backend_name": "pure",
            "vendor_name": "Pure Storage",
            "storage_protocol": "iSCSI",
            "total_capacity_gb": round(capacity, 2),
            "free_capacity_gb": round(capacity - used, 2),
            "replication_enabled": cinder.backend.replicates,
            "replication_type": ["async"] if cinder.backend.replicates else [],
            "consistent_group_snapshot_enabled": True,
            "driver_version": "22.0.iscsi",
            "timestamp": micro_stamp(cinder.clock.now()),
        }
    return Reply(200, {"pools": [entry]})


def quota_set(call: Call) -> Reply:
    """GET (with `usage`), PUT by administrators, DELETE back to the defaults."""
    project = call.params["project"]
    if not call.sees(project):
        raise Forbidden("Policy doesn't allow volume_extension:quotas:show to be performed.")
    if call.method == "PUT":
        call.admin_only("volume_extension:quotas:update")
        given = {
            key: int(value) for key, value in call.part("quota_set").items() if key != "tenant_id" and value is not None
        }
        store(call).quotas.setdefault(project, {}).update(given)
    if call.method == "DELETE":
        call.admin_only("volume_extension:quotas:delete")
        store(call).quotas.pop(project, None)
        return Reply(200)
    return Reply(200, {"quota_set": _quotas(call, project)})


def quota_defaults(call: Call) -> Reply:
    """The defaults of every project."""
    return Reply(200, {"quota_set": {"id": call.params["project"], **QUOTAS}})


def _quotas(call: Call, project: str) -> dict[str, Any]:
    cinder = store(call)
    count, gigabytes = cinder.used(project)
    used = {"volumes": count, "gigabytes": gigabytes}
    used["snapshots"] = sum(1 for item in cinder.snapshots.values() if item.project_id == project)
    used["groups"] = sum(1 for item in cinder.groups.values() if item.project_id == project)
    names = [*QUOTAS]
    for type_ in cinder.types.values():
        names += [f"{kind}_{type_.name}" for kind in ("volumes", "gigabytes", "snapshots")]
    limits = {name: cinder.quota(project, name) for name in names}
    if not call.flag("usage"):
        return {"id": project, **limits}
    shown = {name: {"limit": limit, "in_use": used.get(name, 0), "reserved": 0} for name, limit in limits.items()}
    return {"id": project, **shown}


def limits(call: Call) -> Reply:
    """Absolute limits and what is used of them."""
    cinder = store(call)
    count, gigabytes = cinder.used(call.project_id)
    absolute = {
        "maxTotalVolumes": cinder.quota(call.project_id, "volumes"),
        "maxTotalVolumeGigabytes": cinder.quota(call.project_id, "gigabytes"),
        "maxTotalSnapshots": cinder.quota(call.project_id, "snapshots"),
        "maxTotalBackups": 10,
        "maxTotalBackupGigabytes": 1000,
        "totalVolumesUsed": count,
        "totalGigabytesUsed": gigabytes,
        "totalSnapshotsUsed": sum(1 for item in cinder.snapshots.values() if item.project_id == call.project_id),
        "totalBackupsUsed": 0,
        "totalBackupGigabytesUsed": 0,
    }
    return Reply(200, {"limits": {"rate": [], "absolute": absolute}})


def zones(call: Call) -> Reply:
    """The one zone."""
    return Reply(200, {"availabilityZoneInfo": [{"zoneName": ZONE, "zoneState": {"available": True}}]})


def attachments(call: Call) -> Reply:
    """Which servers use which volumes (3.27)."""
    call.needs(27, 3)
    everything = call.is_admin and bool(call.flag("all_tenants"))
    volumes = [item for item in store(call).volumes.values() if everything or item.project_id == call.project_id]
    wanted = call.query.get("volume_id")
    rows = [
        views.attachment(item, entry) for item in volumes for entry in item.attachments if wanted in (None, item.id)
    ]
    return Reply(200, {"attachments": rows})


def attachment(call: Call) -> Reply:
    """One attachment (3.27)."""
    call.needs(27, 3)
    for item in store(call).volumes.values():
        for entry in item.attachments:
            if entry.id == call.params["id"] and call.sees(item.project_id):
                return Reply(200, {"attachment": views.attachment(item, entry)})
    raise NotFound(f"Volume attachment could not be found with filter: attachment_id = {call.params['id']}.")


def extensions(call: Call) -> Reply:
    """None that a client would have to know."""
    return Reply(200, {"extensions": []})


ROUTES = (
    Route("GET", "/os-services", services),
    Route("PUT", "/os-services/{what}", switch_service),
    Route("GET", "/scheduler-stats/get_pools", pools),
    Route("GET", "/os-quota-sets/{project}", quota_set),
    Route("PUT", "/os-quota-sets/{project}", quota_set),
    Route("DELETE", "/os-quota-sets/{project}", quota_set),
    Route("GET", "/os-quota-sets/{project}/defaults", quota_defaults),
    Route("GET", "/limits", limits),
    Route("GET", "/os-availability-zone", zones),
    Route("GET", "/attachments", attachments),
    Route("GET", "/attachments/detail", attachments),
    Route("GET", "/attachments/{id}", attachment),
    Route("GET", "/extensions", extensions),
)
