"""POST /servers/{id}/action: one key says what to do; locks and states are checked in Nova's order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sandbox.cloud.compute.model import Server
from sandbox.cloud.compute.servers import check_lock, server_of
from sandbox.cloud.errors import BadRequest, Conflict, Forbidden
from sandbox.cloud.wire import Call, Reply, Route

Action = Callable[[Call, Server, Any], Reply]


def act(call: Call) -> Reply:
    """Dispatch by the body's only key; 400 for an action nobody knows."""
    item = server_of(call)
    if not isinstance(call.body, dict) or len(call.body) != 1:
        raise BadRequest("Malformed request body: an action has exactly one key")
    name, given = next(iter(call.body.items()))
    action = _ACTIONS.get(name)
    if action is None:
        raise BadRequest(f"There is no such action: {name}")
    return action(call, item, given)


def _needs_state(item: Server, action: str, *vm_states: str, task: bool = True) -> None:
    if item.vm_state not in vm_states:
        raise Conflict(f"Cannot '{action}' instance {item.id} while it is in vm_state {item.vm_state}")
    if task and item.task_state is not None:
        raise Conflict(f"Cannot '{action}' instance {item.id} while it is in task_state {item.task_state}")


def _stop(call: Call, item: Server, given: Any) -> Reply:
    check_lock(call, item)
    _needs_state(item, "stop", "active", "error")
    call.cloud.life.stop(item)
    return Reply(202)


def _start(call: Call, item: Server, given: Any) -> Reply:
    check_lock(call, item)
    _needs_state(item, "start", "stopped")
    call.cloud.life.start(item)
    return Reply(202)


def _pause(call: Call, item: Server, given: Any) -> Reply:
    check_lock(call, item)
    _needs_state(item, "pause", "active")
    call.cloud.life.pause(item)
    return Reply(202)


def _unpause(call: Call, item: Server, given: Any) -> Reply:
    check_lock(call, item)
    _needs_state(item, "unpause", "paused")
    call.cloud.life.unpause(item)
    return Reply(202)


def _reboot(call: Call, item: Server, given: Any) -> Reply:
    check_lock(call, item)
    kind = str((given or {}).get("type", "")).upper()
    if kind not in ("SOFT", "HARD"):
        raise BadRequest("Invalid input for field/attribute type. It must be HARD or SOFT")
    if kind == "SOFT":
        _needs_state(item, "reboot", "active")
    else:
        _needs_state(item, "reboot", "active", "stopped", "paused", "error", task=False)
    call.cloud.life.reboot(item, hard=kind == "HARD")
    return Reply(202)


def _lock(call: Call, item: Server, given: Any) -> Reply:
    """Whose lock it is goes by project, not by role: an administrator in the server's own project locks as its owner.

    An owner does not lock again what is locked, so it cannot make an outsider's lock its own.
    """
    if given and call.minor < 73:
        raise BadRequest("Invalid input for field/attribute lock. It must be null below microversion 2.73")
    owner = call.project_id == item.project_id
    if not (item.locked_by is not None and owner):
        item.locked_by = "owner" if owner else "admin"
        item.lock_reason = given.get("locked_reason") if isinstance(given, dict) else None
        item.updated_at = call.cloud.clock.now()
    return Reply(202)


def _unlock(call: Call, item: Server, given: Any) -> Reply:
    """Who did not lock it needs the override, which administrators have."""
    expected = "owner" if call.project_id == item.project_id else "admin"
    if item.locked_by not in (None, expected) and not call.is_admin:
        raise Forbidden("Policy doesn't allow os_compute_api:os-lock-server:unlock:unlock_override to be performed.")
    item.locked_by = item.lock_reason = None
    item.updated_at = call.cloud.clock.now()
    return Reply(202)


def _force_delete(call: Call, item: Server, given: Any) -> Reply:
    check_lock(call, item)
    call.cloud.life.delete(item)
    return Reply(202)


def _reset_state(call: Call, item: Server, given: Any) -> Reply:
    call.admin_only("os_compute_api:os-admin-actions:reset_state")
    state = (given or {}).get("state")
    if state not in ("active", "error"):
        raise BadRequest("Invalid input for field/attribute state. It must be active or error")
    item.vm_state, item.task_state = state, None
    item.updated_at = call.cloud.clock.now()
    return Reply(202)


def _console(call: Call, item: Server, given: Any) -> Reply:
    """The last `length` lines of what the guest printed."""
    if item.vm_state == "building":
        raise Conflict(f"Instance {item.id} is not ready")
    length = (given or {}).get("length") if isinstance(given, dict) else None
    lines = call.cloud.guests.console(item).splitlines(keepends=True)
    if length is not None and int(length) >= 0:
        lines = lines[-int(length) :] if int(length) else []
    return Reply(200, {"output": "".join(lines)})


def _change_groups(call: Call, item: Server, given: Any) -> Reply:
    name = str((given or {}).get("name"))
    if call.cloud.network.security_group(name, item.project_id) is None:
        raise BadRequest(f"Security group {name} not found for project {item.project_id}.")
    adding = "addSecurityGroup" in call.body
    rest = tuple(entry for entry in item.security_groups if entry != name)
    item.security_groups = (*rest, name) if adding else rest
    return Reply(202)


_ACTIONS: Mapping[str, Action] = {
    "os-stop": _stop,
    "os-start": _start,
    "pause": _pause,
    "unpause": _unpause,
    "reboot": _reboot,
    "lock": _lock,
    "unlock": _unlock,
    "forceDelete": _force_delete,
    "os-resetState": _reset_state,
    "os-getConsoleOutput": _console,
    "addSecurityGroup": _change_groups,
    "removeSecurityGroup": _change_groups,
}
ROUTES = (Route("POST", "/servers/{id}/action", act),)
