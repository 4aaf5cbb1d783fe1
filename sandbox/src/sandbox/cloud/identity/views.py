"""Keystone's records as JSON."""

from __future__ import annotations

from typing import Any

from sandbox.cloud.identity.model import (
    ApplicationCredential,
    CatalogService,
    Directory,
    Domain,
    Project,
    Role,
    Token,
    Trust,
    User,
)
from sandbox.cloud.ids import keystone_stamp


def domain(item: Domain, base: str) -> dict[str, Any]:
    """A domain."""
    return {
        "id": item.id,
        "name": item.name,
        "enabled": item.enabled,
        "description": "",
        "tags": [],
        "options": {},
        "links": _self(base, "domains", item.id),
    }


def project(item: Project, base: str) -> dict[str, Any]:
    """A project."""
    return {
        "id": item.id,
        "name": item.name,
        "domain_id": item.domain_id,
        "description": item.description,
        "enabled": item.enabled,
        "is_domain": False,
        "parent_id": item.domain_id,
        "tags": [],
        "options": {},
        "links": _self(base, "projects", item.id),
    }


def user(item: User, base: str) -> dict[str, Any]:
    """A user, never with the password."""
    body = {
        "id": item.id,
        "name": item.name,
        "domain_id": item.domain_id,
        "enabled": item.enabled,
        "password_expires_at": None,
        "options": {},
        "links": _self(base, "users", item.id),
    }
    if item.default_project_id:
        body["default_project_id"] = item.default_project_id
    return body


def role(item: Role, base: str) -> dict[str, Any]:
    """A role."""
    return {
        "id": item.id,
        "name": item.name,
        "domain_id": None,
        "description": None,
        "options": {},
        "links": _self(base, "roles", item.id),
    }


def trust(item: Trust, directory: Directory, base: str) -> dict[str, Any]:
    """A trust with its roles."""
    return {
        "id": item.id,
        "trustor_user_id": item.trustor_id,
        "trustee_user_id": item.trustee_id,
        "project_id": item.project_id,
        "impersonation": item.impersonation,
        "expires_at": keystone_stamp(item.expires_at) if item.expires_at is not None else None,
        "remaining_uses": item.remaining_uses,
        "deleted_at": None,
        "redelegation_count": 0,
        "roles": [role(directory.roles[role_id], base) for role_id in item.role_ids],
        "roles_links": {"self": f"{base}/OS-TRUST/trusts/{item.id}/roles", "previous": None, "next": None},
        "links": _self(base, "OS-TRUST/trusts", item.id),
    }


def credential(item: ApplicationCredential, directory: Directory, base: str) -> dict[str, Any]:
    """An application credential without its secret."""
    return {
        "id": item.id,
        "name": item.name,
        "description": item.description,
        "project_id": item.project_id,
        "user_id": item.user_id,
        "roles": [{"id": role_id, "name": directory.roles[role_id].name} for role_id in item.role_ids],
        "expires_at": keystone_stamp(item.expires_at).rstrip("Z") if item.expires_at is not None else None,
        "unrestricted": item.unrestricted,
        "system": None,
        "links": _self(base, f"users/{item.user_id}/application_credentials", item.id),
    }


def service(item: CatalogService, base: str) -> dict[str, Any]:
    """A service of the catalog, as administrators list it."""
    links = _self(base, "services", item.id)
    return {"id": item.id, "type": item.type, "name": item.name, "enabled": True, "description": "", "links": links}


def endpoints(item: CatalogService, region: str, base: str) -> list[dict[str, Any]]:
    """The three endpoints of a service, as administrators list them."""
    return [
        {
            "id": endpoint_id,
            "interface": interface,
            "service_id": item.id,
            "region": region,
            "region_id": region,
            "url": item.url,
            "enabled": True,
            "links": _self(base, "endpoints", endpoint_id),
        }
        for interface, endpoint_id in item.endpoint_ids.items()
    ]


def catalog(directory: Directory, token: Token) -> list[dict[str, Any]]:
    """The catalog of one token: URLs with the token's project filled in."""
    listing = []
    for item in directory.services.values():
        url = item.url.replace("$(project_id)s", token.project_id)
        entries = [
            {"id": key, "interface": name, "region": directory.region, "region_id": directory.region, "url": url}
            for name, key in item.endpoint_ids.items()
        ]
        listing.append({"id": item.id, "type": item.type, "name": item.name, "endpoints": entries})
    return listing


def token(item: Token, directory: Directory, *, with_catalog: bool = True) -> dict[str, Any]:
    """What a login and a validation answer."""
    owner = directory.users[item.user_id]
    body: dict[str, Any] = {
        "methods": list(item.methods),
        "user": {
            "id": owner.id,
            "name": owner.name,
            "domain": _domain_of(owner.domain_id, directory),
            "password_expires_at": None,
        },
        "audit_ids": list(item.audit_ids),
        "issued_at": keystone_stamp(item.issued_at),
        "expires_at": keystone_stamp(item.expires_at),
    }
    if item.project_id or item.domain_id or item.system:
        body["roles"] = [{"id": role_id, "name": directory.roles[role_id].name} for role_id in item.role_ids]
        if with_catalog:
            body["catalog"] = catalog(directory, item)
    body.update(_scope(item, directory))
    if item.credential is not None:
        body["application_credential"] = {
            "id": item.credential.id,
            "name": item.credential.name,
            "restricted": not item.credential.unrestricted,
        }
    return {"token": body}


def _scope(item: Token, directory: Directory) -> dict[str, Any]:
    scope: dict[str, Any] = {}
    if item.project_id:
        owned = directory.projects[item.project_id]
        domain_of = _domain_of(owned.domain_id, directory)
        scope["project"] = {"id": owned.id, "name": owned.name, "domain": domain_of}
        scope["is_domain"] = False
    if item.domain_id:
        scope["domain"] = _domain_of(item.domain_id, directory)
    if item.system:
        scope["system"] = {"all": True}
    if item.trust is not None:
        scope["OS-TRUST:trust"] = {
            "id": item.trust.id,
            "impersonation": item.trust.impersonation,
            "trustee_user": {"id": item.trust.trustee_id},
            "trustor_user": {"id": item.trust.trustor_id},
        }
    return scope


def _domain_of(domain_id: str, directory: Directory) -> dict[str, str]:
    return {"id": domain_id, "name": directory.domains[domain_id].name}


def _self(base: str, collection: str, identifier: str) -> dict[str, str]:
    return {"self": f"{base}/{collection}/{identifier}"}
