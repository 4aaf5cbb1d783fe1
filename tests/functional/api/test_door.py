"""What every request meets before its handler: tokens, projects, versions, sizes, rates."""

import dataclasses
import json

import pytest

from functional.api.conftest import World
from siterecovery.protector.api.deploy import Limits


def test_a_request_without_a_token_is_told_where_to_get_one(world: World) -> None:
    """401 in the API's own shape, with Keystone's address in the challenge."""
    answer = world.call("GET", "/v1/{p}/operations", who=None)
    assert answer.status_code == 401
    assert answer.json["errors"][0]["code"] == "unauthorized"
    assert answer.headers["www-authenticate"] == f'Keystone uri="{world.keystone.url}"'


def test_a_token_that_keystone_does_not_know_is_refused(world: World) -> None:
    """keystonemiddleware has really asked Keystone, and its 404 became a 401."""
    before = world.keystone.validations
    assert world.call("GET", "/v1/{p}/operations", who="invented").status_code == 401
    assert world.keystone.validations > before


def test_a_token_is_validated_once(world: World) -> None:
    """The token cache spares Keystone the second look."""
    world.call("GET", "/v1/{p}/operations")
    before = world.keystone.validations
    assert world.call("GET", "/v1/{p}/operations").status_code == 200
    assert world.keystone.validations == before


def test_keystone_being_away_is_not_the_callers_fault(world: World) -> None:
    """A dead Keystone is 503 with a time to retry after, never 401."""
    world.keystone.down = True
    answer = world.call("GET", "/v1/{p}/operations", who="not-seen-before")
    assert (answer.status_code, answer.json["errors"][0]["code"]) == (503, "keystone_unavailable")
    assert int(answer.headers["retry-after"]) > 0


def test_identity_headers_of_a_caller_are_worth_nothing(world: World) -> None:
    """Who one is comes from Keystone only."""
    forged = {"X-Project-Id": "project-1", "X-Roles": "admin", "X-User-Id": "root", "X-Identity-Status": "Confirmed"}
    assert world.call("GET", "/v1/admin/sites", who=None, headers=forged).status_code == 401
    assert world.call("GET", "/v1/admin/sites", headers=forged).status_code == 403


@pytest.mark.parametrize("who", ["stranger", "admin", "peer"])
def test_the_paths_project_must_be_the_tokens(world: World, who: str) -> None:
    """403 for another project's token, an administrator's and the peer's too."""
    answer = world.call("GET", "/v1/{p}/protection-groups", who=who)
    assert (answer.status_code, answer.json["errors"][0]["code"]) == (403, "project_mismatch")


def test_a_tenant_does_not_learn_that_another_tenants_group_exists(bare: World) -> None:
    """A foreign group and one that never was are answered alike, byte for byte but for the request id."""
    foreign = bare.call("GET", "/v1/project-2/protection-groups/g1", who="stranger")
    unknown = bare.call("GET", "/v1/project-2/protection-groups/g9", who="stranger")
    assert foreign.status_code == unknown.status_code == 404

    def said(text: str) -> str:
        entry = json.loads(text)["errors"][0]
        return json.dumps(entry | {"request_id": ""}).replace("g9", "g1")

    assert said(foreign.text) == said(unknown.text)


def test_a_reader_reads_and_changes_nothing(bare: World) -> None:
    """The default policy lets a reader of the project look, and refuses changes with the rule's name."""
    assert bare.call("GET", "/v1/{p}/protection-groups/web", who="reader").status_code == 200
    answer = bare.call("DELETE", "/v1/{p}/protection-groups/web", who="reader")
    assert answer.status_code == 403
    assert "protector:protection_groups:delete" in answer.json["errors"][0]["detail"]


def test_sites_are_the_administrators(world: World) -> None:
    """A member may list what a tenant may know of the sites, and no more."""
    assert world.call("GET", "/v1/admin/sites").status_code == 403
    shown = world.call("GET", "/v1/{p}/sites").json["sites"]
    assert [(site["name"], site["is_local"]) for site in shown] == [("site-a", True), ("site-b", False)]
    assert all("auth_url" not in site for site in shown)


@pytest.mark.parametrize(
    ("header", "status", "echoed"),
    [
        (None, 200, "protector 1.0"),
        ("protector 1.1", 200, "protector 1.1"),
        ("protector latest", 200, "protector 1.2"),
        ("compute 2.90, protector 1.2", 200, "protector 1.2"),
        ("compute 2.90", 200, "protector 1.0"),
        ("protector 1.3", 406, "protector 1.0"),
        ("protector 2.0", 406, "protector 1.0"),
        ("protector one", 400, "protector 1.0"),
    ],
)
def test_microversions(world: World, header: str | None, status: int, echoed: str) -> None:
    """The header chooses the version, an unknown one is 406, and every answer says which version it speaks."""
    headers = {"OpenStack-API-Version": header} if header else {}
    answer = world.call("GET", "/v1/{p}/operations", version="", headers=headers)
    assert answer.status_code == status
    assert answer.headers["openstack-api-version"] == echoed
    assert answer.headers["vary"] == "OpenStack-API-Version"


def test_every_answer_has_a_request_id(world: World) -> None:
    """Also a refusal, whose errors repeat it."""
    answer = world.call("GET", "/v1/{p}/operations", who=None)
    assert answer.headers["x-openstack-request-id"].startswith("req-")
    assert answer.json["errors"][0]["request_id"] == answer.headers["x-openstack-request-id"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "body.malformed"),
        ("[]", "body.invalid"),
        ('{"protection_group": {"name": "x", "surprise": 1}}', "body.invalid"),
        ('{"protection_group": {}}', "body.invalid"),
        ('{"protection_group": {"name": ""}}', "body.invalid"),
        ('{"protection_group": {"name": 7}}', "body.invalid"),
    ],
)
def test_a_body_of_another_shape_is_refused(bare: World, text: str, code: str) -> None:
    """400 for what is not JSON, for unknown keys and for wrong types, and nothing is changed."""
    before = bare.everything()
    answer = bare.call("PATCH", "/v1/{p}/protection-groups/web", raw=text)
    assert (answer.status_code, answer.json["errors"][0]["code"]) == (400, code)
    assert bare.everything() == before


def test_a_refused_body_is_not_repeated(bare: World) -> None:
    """What was wrong in a request may be a secret: the error names the key, never the value."""
    body = {"policy": {"primary_fa_url": "no url", "primary_fa_api_token": "SECRET-TOKEN", "extra": "SECRET-TOO"}}
    answer = bare.call("POST", "/v1/{p}/protection-groups/web/policy", body)
    assert answer.status_code == 400
    assert "SECRET" not in answer.text
    assert "policy.primary_fa_url" in answer.text


@pytest.mark.parametrize("query", ["surprise=1", "limit=0", "limit=x", "status=odd", "operation_type=odd", "sort=up"])
def test_an_unknown_filter_is_refused(world: World, query: str) -> None:
    """A misspelt filter must not look like an empty or a full list."""
    answer = world.call("GET", "/v1/{p}/operations", query_string=query)
    assert (answer.status_code, answer.json["errors"][0]["code"]) == (400, "query.invalid")


def test_unknown_paths_and_methods(world: World) -> None:
    """404 and 405 in the API's own shape, the latter with what is allowed."""
    assert world.call("GET", "/v1/{p}/nothing/here").json["errors"][0]["code"] == "path.not_found"
    answer = world.call("PUT", "/v1/{p}/protection-groups")
    assert (answer.status_code, answer.json["errors"][0]["code"]) == (405, "method_not_allowed")
    assert "POST" in answer.headers["allow"]


def test_a_huge_body_is_refused_unread(bare: World) -> None:
    """413 by the announced length, before the token is looked at."""
    bare.limits = Limits(max_body=1000)
    bare.build()
    answer = bare.call("POST", "/v1/{p}/protection-groups", {"x": "y" * 2000}, who=None)
    assert (answer.status_code, answer.json["errors"][0]["code"]) == (413, "request_too_large")
    bigger = bare.call("PUT", "/v1/{p}/protection-groups/g1/replica", {"x": "y" * 2000}, who=None)
    assert bigger.status_code == 401, "metadata documents may be larger"


def test_a_user_who_asks_too_often_is_slowed_down(world: World) -> None:
    """429 with the seconds to wait; another user is not affected."""
    world.limits = Limits(requests_per_minute=1, burst=3)
    world.build()
    statuses = [world.call("GET", "/v1/{p}/operations").status_code for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    last = world.call("GET", "/v1/{p}/operations")
    assert 0 < int(last.headers["retry-after"]) <= 60
    assert world.call("GET", "/v1/{p}/operations", who="reader").status_code == 200
    peers = [world.call("GET", "/v1/service/protection-groups", who="peer").status_code for _ in range(6)]
    assert peers == [200] * 6, "the other site's Protector is never slowed down"


def test_guessing_tokens_is_slowed_down(world: World) -> None:
    """Bad tokens cost Keystone a call each: after a number of them the address has to wait."""
    world.limits = dataclasses.replace(world.limits, failures_per_minute=2)
    world.build()
    statuses = [world.call("GET", "/v1/{p}/operations", who=f"guess-{i}").status_code for i in range(3)]
    assert statuses == [401, 401, 429]


def test_public_paths_need_no_token(world: World) -> None:
    """Versions, liveness, metrics and the API's description are for everybody."""
    for path in ("/", "/healthcheck", "/metrics", "/v1/openapi.json"):
        assert world.call("GET", path, who=None).status_code == 200, path
    version = world.call("GET", "/", who=None).json["versions"][0]
    assert (version["id"], version["min_version"], version["version"]) == ("v1", "1.0", "1.2")


def test_metrics_count_requests_by_route(bare: World) -> None:
    """Label values come from the route table: a caller cannot make new ones."""
    bare.call("GET", "/v1/{p}/protection-groups/web")
    bare.call("GET", "/v1/{p}/protection-groups/" + "x" * 50)
    text = bare.call("GET", "/metrics", who=None).text
    route = 'route="/v1/{project_id}/protection-groups/{group}"'
    assert f'protector_api_requests_total{{method="GET",{route},status="200"}} 1.0' in text
    assert "xxxx" not in text


def test_a_bug_is_a_500_that_tells_nothing(
    bare: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller gets the request id, the log the traceback and the word bug; no internals leave the process."""

    def broken(site: object) -> None:
        raise ZeroDivisionError("internal detail")

    monkeypatch.setattr(bare.probes, "volume_types", broken)
    answer = bare.call("GET", "/v1/admin/sites/site-a/volume-types", who="admin")
    assert answer.status_code == 500
    assert "internal detail" not in answer.text
    assert any("This is a bug" in record.message and record.exc_info for record in caplog.records)
