"""Sites, tenant mappings, delegations, health, and the API's description of itself."""

import re
from typing import Any

import pytest

from functional.api.conftest import PROJECT, World
from functional.api.test_protection_groups import codes
from siterecovery.protector.api.policies import RULES
from siterecovery.protector.api.promises import Check, LinkReport, SiteReport
from siterecovery.protector.api.routes import ROUTES

SITES = "/v1/admin/sites"
KEY = "A" * 43 + "="


def test_a_site_is_registered_with_the_id_the_client_gives(world: World) -> None:
    """Both Protectors get the same id; a second one of the name is 409."""
    site = {
        "id": "11111111-1111-1111-1111-111111111111",
        "name": "site-c",
        "site_type": "secondary",
        "auth_url": "https://c.example.com:5000/v3",
        "signing_key": KEY,
    }
    answer = world.call("POST", SITES, {"site": site}, who="admin")
    assert (answer.status_code, answer.json["site"]["id"]) == (201, site["id"])
    assert codes(world.call("POST", SITES, {"site": site}, who="admin")) == ["site.exists"]
    assert world.call("DELETE", f"{SITES}/site-c", who="admin").status_code == 204


def test_a_site_with_groups_is_not_deleted(bare: World) -> None:
    """409 names one of them."""
    answer = bare.call("DELETE", f"{SITES}/site-b", who="admin")
    assert (answer.status_code, codes(answer)) == (409, ["site.in_use"])
    assert "web" in answer.json["errors"][0]["detail"]


def test_credentials_in_a_url_are_refused(world: World) -> None:
    """They would be shown to whoever lists the sites."""
    site = {"name": "x", "site_type": "primary", "auth_url": "https://user:pass@c.example.com"}
    answer = world.call("POST", SITES, {"site": site}, who="admin")
    assert answer.status_code == 400
    assert "pass@" not in answer.text


def test_validating_a_site_remembers_what_was_found(world: World) -> None:
    """Keystone down is `unreachable`, anything else missing is `error`."""
    answer = world.call("POST", f"{SITES}/site-b/validate", who="admin").json["validation"]
    assert (answer["status"], answer["capabilities"]) == ("active", {"nova": "2.95"})
    world.probes.report = SiteReport((Check("keystone", "error", "no answer"),))
    world.call("POST", f"{SITES}/site-b/validate", who="admin")
    assert world.call("GET", f"{SITES}/site-b", who="admin").json["site"]["status"] == "unreachable"
    types = world.call("GET", f"{SITES}/site-b/volume-types", who="admin").json["volume_types"]
    assert types == [{"id": "t1", "name": "gold", "replication_enabled": True, "replication_type": "async"}]


def test_this_protectors_identity(world: World) -> None:
    """Its name and public keys, for the registration at the other site."""
    shown = world.call("GET", "/v1/admin/identity", who="admin").json["identity"]
    assert shown == {"site_name": "site-a", "signing_key": "c2ln", "sealing_key": "c2VhbA=="}


def test_tenant_mappings_are_one_to_one(bare: World) -> None:
    """A project is mapped once; one that groups need is not deleted."""
    path = "/v1/admin/tenant-mappings"
    new = {"local_project_id": "p9", "remote_site": "site-b", "remote_project_id": "p9-there"}
    made = bare.call("POST", path, {"tenant_mapping": new}, who="admin")
    assert (made.status_code, made.json["tenant_mapping"]["remote_site"]) == (201, "site-b")
    assert codes(bare.call("POST", path, {"tenant_mapping": new}, who="admin")) == ["tenant_mapping.exists"]
    assert codes(bare.call("DELETE", f"{path}/m", who="admin")) == ["tenant_mapping.in_use"]
    assert bare.call("DELETE", f"{path}/{made.json['tenant_mapping']['id']}", who="admin").status_code == 204


def test_a_delegation_is_made_with_the_callers_token(world: World) -> None:
    """For the token's own user and project; the caller's earlier trust is taken back, and a refusal keeps the old one."""
    path = "/v1/{p}/delegation"
    answer = world.call("PUT", path)
    assert answer.status_code == 200
    assert answer.json["delegation"]["trust_id"] == "trust-1"
    assert (world.trusts.made, world.trusts.deleted) == ([(PROJECT, "alice")], ["trust-0"])
    world.trusts.refuse = True
    assert world.call("PUT", path).status_code == 403
    assert world.call("GET", path).json["delegation"]["trust_id"] == "trust-1"
    assert world.call("DELETE", path).status_code == 204
    assert codes(world.call("GET", path)) == ["delegation.not_found"]


def test_health_tells_why_a_group_is_not_ready(full: World) -> None:
    """Every component, and per group link, lag and all reasons against a failover."""
    full.services.store.heartbeat("engine-1")
    shown = full.call("GET", "/v1/health").json["health"]
    assert {item["component"]: item["status"] for item in shown["components"]} == {
        "protector-api": "ok",
        "protector-engine": "ok",
        "database": "ok",
        "storage": "ok",
        "site-a": "ok",
        "site-b": "ok",
    }
    assert shown["protection_groups"][0]["failover_ready"] is True
    full.probes.link = LinkReport("ok", 3600, ("The link is slow.",))
    group = full.call("GET", "/v1/health").json["health"]["protection_groups"][0]
    assert (group["failover_ready"], group["rpo_compliant"], len(group["reasons"])) == (False, False, 2)


def test_health_without_an_engine_says_so_and_has_no_details_before_1_2(bare: World) -> None:
    """Old clients get the old shape."""
    shown = bare.call("GET", "/v1/health", version="1.1").json["health"]
    engine = next(item for item in shown["components"] if item["component"] == "protector-engine")
    assert engine == {"component": "protector-engine", "status": "error"}
    assert "reasons" not in shown["protection_groups"][0]


def test_health_shows_only_the_tokens_project(bare: World) -> None:
    """A tenant does not learn of another's groups here either."""
    assert bare.call("GET", "/v1/health", who="stranger").json["health"]["protection_groups"] == []


def test_the_description_has_every_route(world: World) -> None:
    """Each path and method of the table, with its parameters, its rule and resolvable references."""
    document = world.call("GET", "/v1/openapi.json", who=None).json
    assert document["openapi"].startswith("3.1")
    for route in ROUTES:
        shown = document["paths"][route.path][route.method.lower()]
        named = {item["name"] for item in shown["parameters"] if item["in"] == "path"}
        assert named == set(re.findall(r"{(\w+)}", route.path))
        assert str(route.status) in shown["responses"]
        assert bool(shown["security"]) is (route.rule is not None)
    ids = [item["operationId"] for path in document["paths"].values() for item in path.values()]
    assert len(ids) == len(set(ids))

    def references(node: Any) -> list[str]:
        if isinstance(node, dict):
            return [node[key] for key in ("$ref",) if key in node] + [
                r for value in node.values() for r in references(value)
            ]
        return [r for item in node for r in references(item)] if isinstance(node, list) else []

    names = {reference.rpartition("/")[2] for reference in references(document)}
    assert names <= set(document["components"]["schemas"])


@pytest.mark.parametrize("route", [route for route in ROUTES if route.rule], ids=lambda r: f"{r.method} {r.path}")
def test_every_guarded_route_has_a_rule_with_a_default(world: World, route: Any) -> None:
    """An unknown rule would be decided by oslo.policy's fallback instead of by us; and no guarded route answers without a token."""
    assert route.rule in RULES
    path = re.sub(r"{\w+}", "x", route.path)
    assert world.call(route.method, path, who=None).status_code == 401
