"""Who may act: trusts, tokens that die, tenants that are nobody's business."""

from pathlib import Path

import httpx
import pytest
from cryptography.fernet import Fernet

from contract.clouds.conftest import Sites
from siterecovery.protector.domain.errors import CloudError, CloudUnreachable, NotFound, TokenRejected
from siterecovery.protector.domain.site import Site
from siterecovery.protector.processes.delegations import Delegations
from siterecovery.protector.store.schema import migrate
from siterecovery.protector.store.secrets import Keys
from siterecovery.protector.store.sql_store import open_store


def test_both_actors_can_authenticate(sites: Sites) -> None:
    """The delegation works, and so does the service user, on both sites."""
    for site, project in sites.projects.items():
        sites.clouds.tenant(site, project).identity.check()
        sites.clouds.service(site, project).identity.check()


def test_a_trust_is_used_again(sites: Sites) -> None:
    """Delegating twice leaves one trust."""
    before = sites.trusts["site-a", sites.projects["site-a"]]
    sites.delegate("site-a")
    assert sites.trusts["site-a", sites.projects["site-a"]] == before


def test_without_a_delegation_nothing_is_done(sites: Sites) -> None:
    """A project that has delegated nothing is refused with what to do about it."""
    project = sites.login("site-a", "mallory", "other")[2]
    with pytest.raises(TokenRejected, match="no delegation") as caught:
        sites.clouds.tenant("site-a", project)
    assert "delegation create" in caught.value.remedy


def test_a_deleted_trust_is_a_rejected_token(sites: Sites) -> None:
    """Keystone's 404 for the trust reads as what it is: a broken delegation."""
    token, user_id, project = sites.login("site-b", "dr-admin")
    trusts = sites.clouds.trusts("site-b")
    mine = trusts.ensure(token, trustor_user_id=user_id, project_id=project)
    before = sites.trusts["site-b", project]
    sites.trusts["site-b", project] = mine
    try:
        sites.clouds.tenant("site-b", project).identity.check()
        trusts.delete(token, mine)
        with pytest.raises(TokenRejected):
            sites.clouds.tenant("site-b", project).identity.check()
    finally:
        sites.trusts["site-b", project] = before


def test_tokens_that_expire_in_the_middle_are_renewed(sites: Sites) -> None:
    """All tokens die between two calls: the next call logs in again by itself."""
    cloud = sites.clouds.tenant("site-a", sites.projects["site-a"])
    assert cloud.compute.servers()
    sites.control("POST", "/clouds/site-a/tokens/expire", {})
    assert cloud.compute.servers()


def test_a_lost_site_is_unreachable_and_comes_back(sites: Sites) -> None:
    """Nothing of it answers, which says nothing about delegations; afterwards everything works as before."""
    cloud = sites.clouds.service("site-b", sites.projects["site-b"])
    cloud.volumes.volumes()
    sites.control("POST", "/sites/site-b/down")
    assert not sites.clouds.reachable("site-b")
    with pytest.raises(CloudUnreachable):
        cloud.compute.servers()
    assert "ok" not in cloud.probe().values()
    sites.control("POST", "/sites/site-b/up")
    assert sites.clouds.reachable("site-b")
    assert set(cloud.probe().values()) == {"ok"}


def test_a_cut_link_is_felt_by_our_own_site_only(sites: Sites) -> None:
    """The calls say from which site they come: with the link cut, the other one is out of reach and our own is not."""
    sites.control("POST", "/links/cut", {"sites": ["site-a", "site-b"]})
    assert not sites.clouds.reachable("site-b")
    assert sites.clouds.reachable("site-a")
    sites.control("POST", "/links/heal", {"sites": ["site-a", "site-b"]})


def test_an_unknown_site_is_told(sites: Sites) -> None:
    """A site without configuration is named with its remedy."""
    with pytest.raises(NotFound, match="not configured"):
        sites.clouds.service("nowhere", "p")


def test_no_error_shows_the_password(sites: Sites) -> None:
    """Whatever goes wrong, the account's password is not in the sentence."""
    sites.fault("site-a/identity", mode="fail", status=500, times=None)
    with pytest.raises(CloudError) as caught:
        sites.clouds.service("site-a", sites.projects["site-a"]).identity.check()
    assert "protector-s3cr3t" not in str(caught.value) + repr(caught.value.__cause__)


def test_of_several_trusts_on_the_other_site_one_that_works_is_taken(sites: Sites, tmp_path: Path) -> None:
    """Keystone goes on listing the trust of somebody who has lost the role: an older one that still gives tokens is used."""
    url = f"sqlite:///{tmp_path}/protector.sqlite"
    migrate(url)
    store = open_store(url, Keys([Fernet.generate_key().decode()]), drain=30.0, lease_ttl=60.0)
    store.run(lambda tx: tx.sites.save(Site("site-a", "site-a", "primary", "http://a")))
    delegations = Delegations(store, "site-b")
    delegations.clouds = sites.clouds
    project = sites.projects["site-a"]
    working = sites.trusts["site-a", project]
    dead = _trust_of_somebody_who_left(sites, sites.name("leaver"), project)
    assert not sites.clouds.usable("site-a", project, dead)
    assert delegations("site-a", project) == working


def _trust_of_somebody_who_left(sites: Sites, name: str, project: str) -> str:
    token, _, _ = sites.login("site-a", "dr-admin")
    keystone = sites.world.description["sites"]["site-a"]["auth_url"].rstrip("/").removesuffix("/v3") + "/v3"
    with httpx.Client(headers={"X-Auth-Token": token.reveal()}) as admin:
        made = admin.post(f"{keystone}/users", json={"user": {"name": name, "password": "s3cr3t"}}).json()["user"]["id"]
        roles = admin.get(f"{keystone}/roles", params={"name": "member"}).json()["roles"]
        grant = f"{keystone}/projects/{project}/users/{made}/roles/{roles[0]['id']}"
        admin.put(grant).raise_for_status()
        own, user_id, _ = sites.login("site-a", name)
        trust = sites.clouds.trusts("site-a").ensure(own, trustor_user_id=user_id, project_id=project)
        assert sites.clouds.usable("site-a", project, trust)
        admin.delete(grant).raise_for_status()
    return trust
