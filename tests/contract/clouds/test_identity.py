"""Who may act: trusts, tokens that die, tenants that are nobody's business."""

import pytest

from contract.clouds.conftest import Sites
from siterecovery.protector.domain.errors import CloudError, CloudUnreachable, NotFound, TokenRejected


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
