"""Services, hosts, zones, limits and quotas of Nova over HTTP."""

from __future__ import annotations

from typing import Any

from sandbox.cloud.compute.life import COMPUTE_SERVICE
from sandbox.cloud.compute.store import QUOTAS, ZONE
from sandbox.cloud.errors import BadRequest, Forbidden, NotFound
from sandbox.cloud.ids import micro_stamp, new_id
from sandbox.cloud.wire import Call, Reply, Route

_SERVICE_IDS = {"nova-scheduler": new_id(), "nova-conductor": new_id(), COMPUTE_SERVICE: new_id()}


def services(call: Call) -> Reply:
    """Administrators see which services are up."""
    call.admin_only("os_compute_api:os-services:list")
    rows = [_service(call, binary, number) for number, binary in enumerate(_SERVICE_IDS, 1)]
    for key in ("binary", "host"):
        rows = [row for row in rows if key not in call.query or row[key] == call.query[key]]
    return Reply(200, {"services": rows})


def _service(call: Call, binary: str, number: int) -> dict[str, Any]:
    nova = call.cloud.compute
    reason = nova.service_disabled.get(binary)
    row = {
        "id": _SERVICE_IDS[binary] if call.minor >= 53 else number,
        "binary": binary,
        "host": nova.host,
        "zone": ZONE if binary == COMPUTE_SERVICE else "internal",
        "status": "enabled" if reason is None else "disabled",
        "state": "down" if binary in call.cloud.services_down else "up",
        "updated_at": micro_stamp(nova.clock.now()),
        "disabled_reason": reason,
    }
    if call.minor >= 11:
        row["forced_down"] = False
    return row


def switch_service(call: Call) -> Reply:
    """PUT os-services/{id} (2.53): enable or disable."""
    call.needs(53, 2)
    call.admin_only("os_compute_api:os-services:update")
    binary = next((name for name, identifier in _SERVICE_IDS.items() if identifier == call.params["id"]), None)
    if binary is None:
        raise NotFound(f"Service {call.params['id']} could not be found.")
    status = (call.body or {}).get("status")
    if status not in ("enabled", "disabled"):
        raise BadRequest("Invalid input for field/attribute status. It must be enabled or disabled")
    if status == "enabled":
        call.cloud.compute.service_disabled.pop(binary, None)
    else:
        call.cloud.compute.service_disabled[binary] = str((call.body or {}).get("disabled_reason") or "")
    return Reply(200, {"service": _service(call, binary, 0)})


def hypervisors(call: Call) -> Reply:
    """The one compute host."""
    call.admin_only("os_compute_api:os-hypervisors:list")
    nova = call.cloud.compute
    row: dict[str, Any] = {
        "id": _SERVICE_IDS[COMPUTE_SERVICE],
        "hypervisor_hostname": nova.host,
        "state": "down" if COMPUTE_SERVICE in call.cloud.services_down else "up",
        "status": "enabled",
    }
    if call.path.endswith("/detail"):
        service = {"id": _SERVICE_IDS[COMPUTE_SERVICE], "host": nova.host, "disabled_reason": None}
        row.update({"hypervisor_type": "sandbox", "host_ip": "127.0.0.1", "service": service})
    return Reply(200, {"hypervisors": [row]})


def zones(call: Call) -> Reply:
    """The one zone."""
    entry = {"zoneName": ZONE, "zoneState": {"available": True}, "hosts": None}
    return Reply(200, {"availabilityZoneInfo": [entry]})


def limits(call: Call) -> Reply:
    """Absolute limits and what is used of them."""
    nova = call.cloud.compute
    project = call.query.get("tenant_id", call.project_id) if call.is_admin else call.project_id
    used = nova.used(project)
    absolute = {
        "maxTotalInstances": nova.quota(project, "instances"),
        "maxTotalCores": nova.quota(project, "cores"),
        "maxTotalRAMSize": nova.quota(project, "ram"),
        "maxTotalKeypairs": nova.quota(project, "key_pairs"),
        "maxServerMeta": nova.quota(project, "metadata_items"),
        "maxServerGroups": nova.quota(project, "server_groups"),
        "maxServerGroupMembers": nova.quota(project, "server_group_members"),
        "totalInstancesUsed": used["instances"],
        "totalCoresUsed": used["cores"],
        "totalRAMUsed": used["ram"],
        "totalServerGroupsUsed": sum(1 for item in nova.groups.values() if item.project_id == project),
    }
    return Reply(200, {"limits": {"rate": [], "absolute": absolute}})


def quota_set(call: Call) -> Reply:
    """GET, PUT by administrators, DELETE back to the defaults; `/detail` with usage."""
    project = call.params["project"]
    if not call.sees(project):
        raise Forbidden("Policy doesn't allow os_compute_api:os-quota-sets:show to be performed.")
    nova = call.cloud.compute
    if call.method == "PUT":
        call.admin_only("os_compute_api:os-quota-sets:update")
        given = call.part("quota_set")
        unknown = set(given) - set(QUOTAS) - {"force", "tenant_id"}
        if unknown:
            raise BadRequest(f"Additional properties are not allowed ({', '.join(sorted(unknown))} unexpected)")
        values = {key: int(value) for key, value in given.items() if key in QUOTAS}
        nova.quotas.setdefault(project, {}).update(values)
    if call.method == "DELETE":
        call.admin_only("os_compute_api:os-quota-sets:delete")
        nova.quotas.pop(project, None)
        return Reply(202)
    return Reply(200, {"quota_set": {"id": project, **_quotas(call, project)}})


def _quotas(call: Call, project: str) -> dict[str, Any]:
    nova = call.cloud.compute
    limits_ = {name: nova.quota(project, name) for name in QUOTAS}
    if not call.path.endswith("/detail"):
        return dict(limits_)
    used = nova.used(project)
    return {name: {"limit": limit, "in_use": used.get(name, 0), "reserved": 0} for name, limit in limits_.items()}


def quota_defaults(call: Call) -> Reply:
    """The defaults of every project."""
    return Reply(200, {"quota_set": {"id": call.params["project"], **QUOTAS}})


def extensions(call: Call) -> Reply:
    """None that a client would have to know."""
    return Reply(200, {"extensions": []})


_QUOTA = "/os-quota-sets/{project}"
ROUTES = (
    Route("GET", "/os-services", services),
    Route("PUT", "/os-services/{id}", switch_service),
    Route("GET", "/os-hypervisors", hypervisors),
    Route("GET", "/os-hypervisors/detail", hypervisors),
    Route("GET", "/os-availability-zone", zones),
    Route("GET", "/os-availability-zone/detail", zones),
    Route("GET", "/limits", limits),
    Route("GET", _QUOTA, quota_set),
    Route("PUT", _QUOTA, quota_set),
    Route("DELETE", _QUOTA, quota_set),
    Route("GET", _QUOTA + "/detail", quota_set),
    Route("GET", _QUOTA + "/defaults", quota_defaults),
    Route("GET", "/extensions", extensions),
)
