"""Keystone as keystoneauth, keystonemiddleware and the product use it."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from keystoneauth1 import exceptions as ksa
from keystoneauth1 import session
from keystoneauth1.identity import v3
from openstack import exceptions

TOKENS = "/auth/tokens"


def url(cloud: Any) -> str:
    """Where Keystone is."""
    return (
        str(cloud.session.get_endpoint(service_type="identity", interface="public")).rstrip("/").removesuffix("/v3")
        + "/v3"
    )


def trust_of(member: Any, service: Any, *roles: str) -> Any:
    """The member's trust to the service user."""
    return member.identity.create_trust(
        trustor_user_id=member.current_user_id,
        trustee_user_id=service.current_user_id,
        project_id=member.current_project_id,
        impersonation=True,
        roles=[{"name": role} for role in roles],
    )


def trusted(service: Any, trust_id: str) -> v3.Password:
    """The service user's way in under a trust."""
    auth = service.config.config["auth"]
    return v3.Password(
        auth_url=url(service),
        username=auth["username"],
        password=auth["password"],
        user_domain_name=auth["user_domain_name"],
        trust_id=trust_id,
    )


def test_catalog_has_every_service(member: Any) -> None:
    """A token's catalog names every service the product talks to, its own included."""
    for kind in ("identity", "compute", "volumev3", "network", "image", "placement", "protector"):
        assert member.session.get_endpoint(service_type=kind, interface="public"), kind


def test_wrong_password_is_a_plain_401(member: Any) -> None:
    """A wrong password says nothing but that authentication is required."""
    body = {
        "auth": {
            "identity": {
                "methods": ["password"],
                "password": {"user": {"name": "operator", "domain": {"name": "Default"}, "password": "wrong"}},
            }
        }
    }
    answer = requests.post(url(member) + TOKENS, json=body, timeout=30)
    assert answer.status_code == 401
    assert answer.json()["error"]["message"] == "The request you have made requires authentication."


def test_service_validates_a_users_token(member: Any, service: Any) -> None:
    """The service user sees whose a token is, in which project, with which roles; the member may not look at others'."""
    token = member.session.get_token()
    headers = {"X-Auth-Token": service.session.get_token(), "X-Subject-Token": token}
    answer = requests.get(url(service) + TOKENS, headers=headers, timeout=30)
    body = answer.json()["token"]
    assert body["user"]["id"] == member.current_user_id
    assert body["project"]["id"] == member.current_project_id
    assert "member" in {role["name"] for role in body["roles"]}
    assert answer.headers["X-Subject-Token"] == token
    swapped = {"X-Auth-Token": token, "X-Subject-Token": headers["X-Auth-Token"]}
    assert requests.get(url(member) + TOKENS, headers=swapped, timeout=30).status_code == 403


def test_revoked_token_is_gone(member: Any, service: Any) -> None:
    """A revoked token is not found, and opens nothing any more."""
    auth = member.config.config["auth"]
    token = session.Session(v3.Password(**auth)).get_token()
    headers = {"X-Auth-Token": service.session.get_token(), "X-Subject-Token": token}
    assert requests.delete(url(service) + TOKENS, headers=headers, timeout=30).status_code == 204
    assert requests.head(url(service) + TOKENS, headers=headers, timeout=30).status_code == 404
    volumes = member.block_storage.get_endpoint() + "/volumes"
    assert requests.get(volumes, headers={"X-Auth-Token": token}, timeout=30).status_code == 401


def test_member_cannot_list_people(member: Any) -> None:
    """Listing projects and users is for administrators; one's own project may be read."""
    with pytest.raises(exceptions.ForbiddenException, match="identity:list_projects"):
        list(member.identity.projects())
    with pytest.raises(exceptions.ForbiddenException, match="identity:list_users"):
        list(member.identity.users())
    assert member.identity.get_project(member.current_project_id).name == "production"


def test_names_are_found_by_an_administrator(admin: Any) -> None:
    """Projects, users, roles, domains, regions and services are found by name."""
    assert admin.identity.find_project("production").id == admin.current_project_id
    assert admin.identity.find_user("operator").name == "operator"
    assert admin.identity.find_role("member").name == "member"
    assert admin.identity.find_domain("Default").id == "default"
    assert "RegionOne" in [region.id for region in admin.identity.regions()]
    assert admin.identity.find_service("protector").type == "protector"


def test_trust_acts_for_the_trustor(member: Any, service: Any) -> None:
    """Under an impersonating trust the service user is the member, in the member's project, with the delegated role only."""
    trust = trust_of(member, service, "member")
    access = trusted(service, trust.id).get_access(session.Session())
    assert access.user_id == member.current_user_id
    assert access.project_id == member.current_project_id
    assert access.role_names == ["member"] or set(access.role_names or ()) <= {"member", "reader"}
    assert access.trustee_user_id == service.current_user_id
    member.identity.delete_trust(trust)
    answer = requests.get(
        member.block_storage.get_endpoint() + "/volumes", headers={"X-Auth-Token": access.auth_token}, timeout=30
    )
    assert answer.status_code == 401
    with pytest.raises(ksa.http.HttpError):
        trusted(service, trust.id).get_access(session.Session())


def test_trust_delegates_only_what_is_held(member: Any, service: Any) -> None:
    """A role the trustor does not hold cannot be delegated, and nobody makes a trust in another's name."""
    with pytest.raises((exceptions.ForbiddenException, exceptions.NotFoundException)):
        trust_of(member, service, "admin")
    with pytest.raises(exceptions.ForbiddenException):
        service.identity.create_trust(
            trustor_user_id=member.current_user_id,
            trustee_user_id=service.current_user_id,
            project_id=member.current_project_id,
            impersonation=True,
            roles=[{"name": "member"}],
        )


def test_trust_dies_with_the_trustors_role(admin: Any, member: Any, service: Any, unique: str) -> None:
    """When the trustor loses the delegated role, the trust gives no token any more."""
    user = admin.identity.create_user(name=unique, password="s3cr3t", domain_id="default")
    project = admin.identity.get_project(member.current_project_id)
    role = admin.identity.find_role("member")
    admin.identity.assign_project_role_to_user(project, user, role)
    auth = {**member.config.config["auth"], "username": unique, "password": "s3cr3t"}
    own = session.Session(v3.Password(**auth))
    body = {
        "trustor_user_id": user.id,
        "trustee_user_id": service.current_user_id,
        "project_id": project.id,
        "impersonation": True,
        "roles": [{"name": "member"}],
    }
    made = own.post(url(member) + "/OS-TRUST/trusts", json={"trust": body}).json()["trust"]
    assert trusted(service, made["id"]).get_access(session.Session())
    admin.identity.unassign_project_role_from_user(project, user, role)
    with pytest.raises((ksa.Forbidden, ksa.Unauthorized)):
        trusted(service, made["id"]).get_access(session.Session())


def test_application_credential_logs_in(member: Any, unique: str) -> None:
    """An application credential gives a token of its user's project, and cannot make a trust."""
    made = member.identity.create_application_credential(user=member.current_user_id, name=unique)
    auth = {
        "auth_url": url(member),
        "application_credential_id": made.id,
        "application_credential_secret": made.secret,
    }
    own = session.Session(v3.ApplicationCredential(**auth))
    assert own.get_project_id() == member.current_project_id
    body = {"trust": {"trustor_user_id": member.current_user_id, "impersonation": True, "roles": [{"name": "member"}]}}
    body["trust"]["project_id"] = member.current_project_id
    body["trust"]["trustee_user_id"] = member.current_user_id
    answer = own.post(url(member) + "/OS-TRUST/trusts", json=body, raise_exc=False)
    assert answer.status_code == 403
    member.identity.delete_application_credential(member.current_user_id, made)
    with pytest.raises((ksa.Unauthorized, ksa.NotFound)):
        session.Session(v3.ApplicationCredential(**auth)).get_token()


@pytest.mark.parametrize("kind", ["block-storage", "network"])
def test_only_the_root_speaks_without_a_token(member: Any, kind: str) -> None:
    """Which versions there are is told to anybody at the root; below a version Cinder and Neutron want a token."""
    root = member.session.get_endpoint(service_type=kind).split("/v")[0].rstrip("/")
    below = f"{root}/v3/" if kind == "block-storage" else f"{root}/v2.0/"
    assert requests.get(f"{root}/", timeout=30).status_code in (200, 300)
    assert requests.get(below, timeout=30).status_code == 401
    assert requests.get(below, headers={"X-Auth-Token": member.session.get_token()}, timeout=30).status_code == 200
