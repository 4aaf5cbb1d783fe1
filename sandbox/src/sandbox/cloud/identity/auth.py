"""POST /v3/auth/tokens: who are you, and what do you want a token for?"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from sandbox.cloud.errors import BadRequest, Forbidden, NotFound, Unauthorized
from sandbox.cloud.identity.model import ApplicationCredential, Directory, Token, User
from sandbox.cloud.identity.tokens import Scope, Tokens


def authenticate(directory: Directory, tokens: Tokens, body: Any) -> Token:
    """Issue a token for an `auth` document; every wrong name or password is the same 401."""
    auth = body.get("auth") if isinstance(body, dict) else None
    identity = auth.get("identity") if isinstance(auth, dict) else None
    if not isinstance(auth, dict) or not isinstance(identity, dict) or not isinstance(identity.get("methods"), list):
        raise BadRequest("Invalid input for field 'auth': 'identity' with its 'methods' is a required property")
    methods = identity["methods"]
    if methods == ["password"]:
        return _with_password(directory, tokens, identity, auth.get("scope"))
    if methods == ["token"]:
        return _with_token(directory, tokens, identity, auth.get("scope"))
    if methods == ["application_credential"]:
        return _with_credential(directory, tokens, identity)
    raise Unauthorized("unsupported methods")


def _with_password(directory: Directory, tokens: Tokens, identity: Mapping[str, Any], scope: Any) -> Token:
    given = identity.get("password", {}).get("user", {})
    user = _user(directory, given)
    password = given.get("password")
    if not isinstance(password, str) or not secrets.compare_digest(password.encode(), user.password.encode()):
        raise Unauthorized("wrong password")
    wanted = _scope(directory, scope, user)
    return _issue(directory, tokens, user, wanted, ("password",))


def _with_token(directory: Directory, tokens: Tokens, identity: Mapping[str, Any], scope: Any) -> Token:
    parent = tokens.find(str(identity.get("token", {}).get("id", "")))
    if parent is None:
        raise Unauthorized("no such token")
    if parent.trust is not None or parent.credential is not None:
        raise Forbidden("Cannot rescope a token that was made by a trust or an application credential.")
    user = directory.users[parent.user_id]
    methods = tuple(dict.fromkeys(("token", *parent.methods)))
    return _issue(directory, tokens, user, _scope(directory, scope, user), methods, parent)


def _with_credential(directory: Directory, tokens: Tokens, identity: Mapping[str, Any]) -> Token:
    given = identity.get("application_credential", {})
    credential = _credential(directory, given)
    now = directory.clock.now()
    secret = given.get("secret")
    if not isinstance(secret, str) or not secrets.compare_digest(secret.encode(), credential.secret.encode()):
        raise Unauthorized("wrong secret")
    if credential.expires_at is not None and credential.expires_at <= now:
        raise Unauthorized("expired")
    scope = Scope(project_id=credential.project_id)
    return tokens.issue(credential.user_id, scope, ("application_credential",), credential=credential)


def _credential(directory: Directory, given: Mapping[str, Any]) -> ApplicationCredential:
    if "id" in given:
        found = directory.credentials.get(str(given["id"]))
    else:
        user = _user(directory, given.get("user", {}))
        mine = (item for item in directory.credentials.values() if item.user_id == user.id)
        found = next((item for item in mine if item.name == given.get("name")), None)
    if found is None:
        raise Unauthorized("no such application credential")
    return found


def _user(directory: Directory, given: Mapping[str, Any]) -> User:
    if "id" in given:
        user = directory.users.get(str(given["id"]))
    else:
        _domain(directory, given.get("domain"))
        user = directory.user_named(str(given.get("name")))
    if user is None or not user.enabled:
        raise Unauthorized("no such user")
    return user


def _domain(directory: Directory, given: Any) -> str:
    """The id of the domain a name was given in; Keystone refuses a name without one."""
    if not isinstance(given, Mapping):
        raise BadRequest("Expecting to find domain in user or project.")
    for domain in directory.domains.values():
        if given.get("id") == domain.id or str(given.get("name", "")).lower() == domain.name.lower():
            return domain.id
    raise Unauthorized("no such domain")


def _scope(directory: Directory, scope: Any, user: User) -> Scope:
    if scope is None:
        held = user.default_project_id and directory.roles_of(user.id, user.default_project_id)
        return Scope(project_id=user.default_project_id if held else "")
    if scope == "unscoped" or "unscoped" in scope:
        return Scope()
    if "OS-TRUST:trust" in scope:
        return _trust_scope(directory, str(scope["OS-TRUST:trust"].get("id")), user)
    if "project" in scope:
        return Scope(project_id=_project(directory, scope["project"]))
    if "domain" in scope:
        return Scope(domain_id=_domain(directory, scope["domain"]))
    if "system" in scope:
        return Scope(system=True)
    raise BadRequest("Invalid input for field 'scope'")


def _project(directory: Directory, given: Mapping[str, Any]) -> str:
    if "id" in given:
        project = directory.projects.get(str(given["id"]))
    else:
        _domain(directory, given.get("domain"))
        project = directory.project_named(str(given.get("name")))
    if project is None or not project.enabled:
        raise Unauthorized("no such project")
    return project.id


def _trust_scope(directory: Directory, trust_id: str, user: User) -> Scope:
    trust = directory.trusts.get(trust_id)
    if trust is None or (trust.expires_at is not None and trust.expires_at <= directory.clock.now()):
        raise NotFound(f"Could not find trust: {trust_id}.")
    if trust.trustee_id != user.id:
        raise Forbidden("User is not a trustee.")
    if trust.remaining_uses == 0:
        raise Forbidden("Trust has no remaining uses.")
    return Scope(project_id=trust.project_id, trust=trust)


def _issue(
    directory: Directory,
    tokens: Tokens,
    user: User,
    scope: Scope,
    methods: tuple[str, ...],
    parent: Token | None = None,
) -> Token:
    """Under an impersonating trust the token's user is the trustor: that is what impersonation means."""
    trust = scope.trust
    user_id = trust.trustor_id if trust is not None and trust.impersonation else user.id
    token = tokens.issue(user_id, scope, methods, parent=parent)
    if trust is not None and trust.remaining_uses is not None:
        trust.remaining_uses -= 1
    return token
