"""The peer protocol on the wire: the real client against the real application and token middleware."""

import dataclasses
import logging

import pytest
import requests

from functional.peer.conftest import Http
from siterecovery.protector.domain.epoch import Generation
from siterecovery.protector.domain.errors import Conflict, Forbidden, RemoteSiteUnreachable
from siterecovery.protector.domain.states import ClaimState, GroupStatus
from support.two_sites import GROUP, NAMES, PROJECTS


def test_a_group_moves_by_messages_alone(http: Http) -> None:
    """Push, claim, hold, commit, release, view and fetch work over HTTP as they do in one process."""
    a, b = http.sites.a, http.sites.b
    peer = http.peers.of(a.group())
    assert peer.view(a.group()) is None
    assert peer.push(a.document())
    epoch = peer.claim(a.group(), "op-1", 0, 0)
    peer.hold(a.group(), "op-1")
    done = Generation(epoch, 0, NAMES["site-b"], "op-1")
    version = peer.commit("op-1", done, GroupStatus.FAILED_OVER, a.document())
    peer.release(a.group(), "op-1")
    assert peer.revoke(a.group(), "op-1") == "committed"
    view = peer.view(a.group())
    assert view is not None
    assert (view.epoch, view.version, view.active_site_id) == (1, version, NAMES["site-b"])
    assert view.claim.state is ClaimState.COMMITTED
    found = peer.fetch(a.group())
    assert found is not None
    assert found.group.project_id == PROJECTS["site-b"]
    assert found.policy == b.document().policy
    peer.fence(a.group(), 2)
    assert b.group().claim.fence == 2


def test_the_peers_refusal_arrives_as_it_was_said(http: Http) -> None:
    """Status, code, sentence and remedy of the other site's error are kept."""
    a = http.sites.a
    peer = http.peers.of(a.group())
    peer.push(a.document())
    http.sites.b.save(failover_epoch=2)
    with pytest.raises(Conflict) as refused:
        peer.claim(a.group(), "op-1", 0, 0)
    assert refused.value.code == "claim.stale"
    assert "epoch 2" in refused.value.detail
    assert "sync-force" in refused.value.remedy


def test_a_tenants_token_signs_nothing(http: Http) -> None:
    """Without the role service the verbs are a 403, whoever's signature they carry."""
    a = http.sites.pushed().a
    http.grant("member")
    peer = http.peers.of(a.group())
    with pytest.raises(Forbidden):
        peer.claim(a.group(), "op-1", 0, 0)
    assert http.sites.b.group().claim.state is ClaimState.NONE


def test_a_tenant_carries_a_document(http: Http) -> None:
    """Client relay: a member's token brings the signed document into its own project, and cannot change it."""
    signed = http.sites.a.service.document(GROUP)
    token = http.keystone.token("bea", PROJECTS["site-b"], "member")
    url = f"{http.url}/v1/{PROJECTS['site-b']}/protection-groups/{GROUP}/replica"
    altered = {**signed, "document": {**signed["document"], "to": "site-c"}}
    refused = requests.put(url, json={"replica": altered}, headers={"X-Auth-Token": token}, timeout=10)
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (403, "replica.bad_signature")
    taken = requests.put(url, json={"replica": signed}, headers={"X-Auth-Token": token}, timeout=10)
    assert (taken.status_code, taken.json()) == (200, {"accepted": True, "epoch": 0, "version": 3})


@pytest.mark.parametrize(
    "body", [None, [], {}, {"replica": "x"}, {"replica": {"document": 1, "signature": "x", "site": "y"}}]
)
def test_what_is_no_message_is_refused_over_http(http: Http, body: object) -> None:
    """Garbage is a 400 or 403 with a code, never a 500."""
    token = http.keystone.token("protector", "service", "service")
    url = f"{http.url}/v1/x/protection-groups/{GROUP}/replica/claim"
    answer = requests.post(url, json=body, headers={"X-Auth-Token": token}, timeout=10)
    assert answer.status_code in (400, 403)
    assert answer.json()["errors"][0]["code"]


@pytest.mark.parametrize("path", ["", "/v1", "/v1/", "/v1/%(tenant_id)s"])
def test_an_endpoint_may_be_written_with_or_without_its_version(http: Http, path: str) -> None:
    """Catalogs hold addresses in many shapes; all of them are understood."""
    http.access = dataclasses.replace(http.access, endpoint=http.url + path)
    assert http.peers.of(http.sites.a.group()).push(http.sites.a.document())


def test_a_catalog_without_a_protector_is_named(http: Http) -> None:
    """No endpoint configured and none in the catalog: the error says what to register."""
    http.access = dataclasses.replace(http.access, endpoint=None)
    with pytest.raises(RemoteSiteUnreachable) as refused:
        http.peers.of(http.sites.a.group()).view(http.sites.a.group())
    assert "catalog" in refused.value.detail
    assert "protector_endpoint" in refused.value.remedy


def test_a_dead_keystone_is_an_unreachable_site(http: Http) -> None:
    """When the peer's Keystone does not answer, nothing of keystoneauth reaches the caller."""
    http.access = dataclasses.replace(http.access, auth_url="http://127.0.0.1:9/v3")
    with pytest.raises(RemoteSiteUnreachable):
        http.peers.of(http.sites.a.group()).view(http.sites.a.group())


def test_nothing_secret_is_logged(http: Http, caplog: pytest.LogCaptureFixture) -> None:
    """At the most talkative log level neither password, array tokens nor user data appear."""
    caplog.set_level(logging.DEBUG)
    http.peers.of(http.sites.a.group()).push(http.sites.a.document())
    for secret in ("pa55word", "token-a", "token-b", "hunter2"):
        assert secret not in caplog.text
