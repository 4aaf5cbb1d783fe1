"""OS-TRUST and application credentials over HTTP."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from sandbox.cloud.errors import BadRequest, Conflict, Forbidden, NotFound
from sandbox.cloud.identity import views
from sandbox.cloud.identity.model import ApplicationCredential, Directory, Trust
from sandbox.cloud.identity.people import base, directory, found, guard
from sandbox.cloud.ids import new_hex, parse_stamp
from sandbox.cloud.wire import Call, Reply, Route


def list_trusts(call: Call) -> Reply:
    """Everything for an administrator; others ask for their own by `trustor_user_id` or `trustee_user_id`."""
    trustor, trustee = call.query.get("trustor_user_id"), call.query.get("trustee_user_id")
    guard(call, "list_trusts", own=call.who.user_id in (trustor, trustee))
    items = [
        views.trust(item, directory(call), base(call))
        for item in directory(call).trusts.values()
        if trustor in (None, item.trustor_id) and trustee in (None, item.trustee_id)
    ]
    for item in items:
        del item["roles"], item["roles_links"]
    return Reply(
        200, {"trusts": items, "links": {"self": f"{base(call)}/OS-TRUST/trusts", "next": None, "previous": None}}
    )


def show_trust(call: Call) -> Reply:
    """For the two it concerns, and administrators."""
    return Reply(200, {"trust": views.trust(_trust(call, "get_trust"), directory(call), base(call))})


def create_trust(call: Call) -> Reply:
    """Only the trustor may, and only with roles held in that project; a trust or credential token cannot."""
    given = call.part("trust")
    _check_trustor(call, given)
    project_id = str(given.get("project_id") or "")
    role_ids = _roles(directory(call), given.get("roles"))
    if project_id and not role_ids:
        raise Forbidden("At least one role should be specified.")
    held = directory(call).roles_of(call.who.user_id, project_id)
    missing = next((role for role in role_ids if role not in held), None)
    if missing is not None:
        raise NotFound(f"Could not find role: {missing}.")
    trust = Trust(
        new_hex(),
        call.who.user_id,
        found(directory(call).users, "user", str(given.get("trustee_user_id"))).id,
        project_id,
        role_ids,
        bool(given["impersonation"]),
        _moment(given.get("expires_at")),
        given.get("remaining_uses"),
    )
    directory(call).trusts[trust.id] = trust
    return Reply(201, {"trust": views.trust(trust, directory(call), base(call))})


def delete_trust(call: Call) -> Reply:
    """By the trustor or an administrator; its tokens die with it."""
    trust = _trust(call, "delete_trust")
    guard(call, "delete_trust", own=trust.trustor_id == call.who.user_id)
    del directory(call).trusts[trust.id]
    directory(call).changed()
    return Reply(204)


def trust_roles(call: Call) -> Reply:
    """What it delegates."""
    trust = _trust(call, "list_roles_for_trust")
    roles = [views.role(directory(call).roles[role], base(call)) for role in trust.role_ids]
    return Reply(200, {"roles": roles, "links": {"self": f"{base(call)}/OS-TRUST/trusts/{trust.id}/roles"}})


def _check_trustor(call: Call, given: Mapping[str, Any]) -> None:
    if call.who.trust is not None:
        raise Forbidden("Redelegation of a trust is not allowed here.")
    credential = call.who.credential
    if credential is not None and not credential.unrestricted:
        raise Forbidden("Using method 'application_credential' is not allowed for managing trusts.")
    if not isinstance(given.get("impersonation"), bool):
        raise BadRequest("Invalid input for field 'trust': 'impersonation' is a required property")
    if given.get("trustor_user_id") != call.who.user_id:
        raise Forbidden("The authenticated user should match the trustor.")


def _trust(call: Call, rule: str) -> Trust:
    trust = found(directory(call).trusts, "trust", call.params["id"])
    guard(call, rule, own=call.who.user_id in (trust.trustor_id, trust.trustee_id))
    return trust


def _roles(records: Directory, given: Any) -> tuple[str, ...]:
    """Role ids of a list of `{"id"}` or `{"name"}`; 404 for one that does not exist."""
    wanted = given or []
    by_name = {role.name: role.id for role in records.roles.values()}
    ids = []
    for entry in wanted:
        identifier = entry.get("id") or by_name.get(entry.get("name"), "")
        if identifier not in records.roles:
            raise NotFound(f"Could not find role: {entry.get('id') or entry.get('name')}.")
        ids.append(identifier)
    return tuple(sorted(ids))


def _moment(text: Any) -> float | None:
    if text is None:
        return None
    try:
        return parse_stamp(str(text))
    except ValueError as error:
        raise BadRequest(f"Invalid input for field 'expires_at': '{text}' is not an ISO 8601 time") from error


def list_credentials(call: Call) -> Reply:
    """A user's own."""
    guard(call, "list_application_credentials", own=call.params["user"] == call.who.user_id)
    items = [item for item in directory(call).credentials.values() if item.user_id == call.params["user"]]
    if "name" in call.query:
        items = [item for item in items if item.name == call.query["name"]]
    listing = [views.credential(item, directory(call), base(call)) for item in items]
    return Reply(
        200, {"application_credentials": listing, "links": {"self": base(call), "next": None, "previous": None}}
    )


def create_credential(call: Call) -> Reply:
    """For oneself in the token's project; the secret is shown this once."""
    guard(call, "create_application_credential", own=call.params["user"] == call.who.user_id)
    given = call.part("application_credential")
    mine = (item for item in directory(call).credentials.values() if item.user_id == call.who.user_id)
    if any(item.name == given.get("name") for item in mine):
        raise Conflict("Conflict occurred attempting to store application_credential - Duplicate entry.")
    held = directory(call).roles_of(call.who.user_id, call.project_id)
    wanted = _roles(directory(call), given.get("roles")) or held
    if any(role not in held for role in wanted):
        raise BadRequest("Invalid application credential: Could not find role assignment.")
    credential = ApplicationCredential(
        new_hex(),
        str(given.get("name")),
        call.who.user_id,
        call.project_id,
        wanted,
        str(given.get("secret") or secrets.token_urlsafe(48)),
        str(given.get("description") or ""),
        _moment(given.get("expires_at")),
        bool(given.get("unrestricted")),
    )
    directory(call).credentials[credential.id] = credential
    body = views.credential(credential, directory(call), base(call))
    return Reply(201, {"application_credential": {**body, "secret": credential.secret}})


def show_credential(call: Call) -> Reply:
    """One's own, without the secret."""
    body = views.credential(_credential(call), directory(call), base(call))
    return Reply(200, {"application_credential": body})


def delete_credential(call: Call) -> Reply:
    """Its tokens die with it."""
    del directory(call).credentials[_credential(call).id]
    directory(call).changed()
    return Reply(204)


def _credential(call: Call) -> ApplicationCredential:
    guard(call, "get_application_credential", own=call.params["user"] == call.who.user_id)
    return found(directory(call).credentials, "application credential", call.params["id"])


_CREDENTIALS = "/v3/users/{user}/application_credentials"
ROUTES = (
    Route("GET", "/v3/OS-TRUST/trusts", list_trusts),
    Route("POST", "/v3/OS-TRUST/trusts", create_trust),
    Route("GET", "/v3/OS-TRUST/trusts/{id}", show_trust),
    Route("DELETE", "/v3/OS-TRUST/trusts/{id}", delete_trust),
    Route("GET", "/v3/OS-TRUST/trusts/{id}/roles", trust_roles),
    Route("GET", _CREDENTIALS, list_credentials),
    Route("POST", _CREDENTIALS, create_credential),
    Route("GET", _CREDENTIALS + "/{id}", show_credential),
    Route("DELETE", _CREDENTIALS + "/{id}", delete_credential),
)
