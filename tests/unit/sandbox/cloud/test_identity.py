"""Tokens: how long they are good, and for what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sandbox.cloud.errors import Forbidden, Unauthorized
from sandbox.cloud.identity.model import Trust
from sandbox.cloud.identity.tokens import Scope

if TYPE_CHECKING:
    from unit.sandbox.cloud.conftest import Site


def test_token_expires_with_the_worlds_clock(site: Site) -> None:
    """A token is good until its lifetime has passed on the world's clock."""
    site.cloud.identity.tokens.lifetime = 60
    token = site.token()
    site.clock.advance(59)
    assert site.cloud.identity.tokens.find(token.id) is token
    site.clock.advance(2)
    assert site.cloud.identity.tokens.find(token.id) is None


def test_lost_role_is_lost_in_tokens_already_out(site: Site) -> None:
    """Who loses a role loses it at once; who has none left has no token."""
    directory = site.cloud.identity.directory
    token = site.token("dr-admin")
    directory.revoke(token.user_id, token.project_id, directory.role("admin").id)
    found = site.cloud.identity.tokens.find(token.id)
    assert found is not None
    assert found.role_names == {"member"}
    directory.revoke(token.user_id, token.project_id, directory.role("member").id)
    assert site.cloud.identity.tokens.find(token.id) is None


def test_trust_token_dies_with_trust_and_with_the_trustors_role(site: Site) -> None:
    """A trust's token is gone with the trust, and no new one is given once the trustor lost the role."""
    directory, tokens = site.cloud.identity.directory, site.cloud.identity.tokens
    operator, protector = site.token("operator"), site.token("protector")
    member = directory.role("member").id
    trust = Trust("t", operator.user_id, protector.user_id, operator.project_id, (member,), True)
    directory.trusts["t"] = trust
    scope = Scope(project_id=trust.project_id, trust=trust)
    token = tokens.issue(operator.user_id, scope, ("password",))
    assert token.role_names == {"member"}
    directory.revoke(operator.user_id, operator.project_id, member)
    assert tokens.find(token.id) is None
    with pytest.raises(Forbidden, match="no delegated roles"):
        tokens.issue(operator.user_id, scope, ("password",))
    directory.grant(operator.user_id, operator.project_id, member)
    assert tokens.find(token.id) is not None
    del directory.trusts["t"]
    directory.changed()
    assert tokens.find(token.id) is None


def test_nobody_gets_a_token_without_a_role(site: Site) -> None:
    """A user without a role in a project has no token for it."""
    stranger, owner = site.token("mallory"), site.token("dr-admin")
    with pytest.raises(Unauthorized):
        site.cloud.identity.tokens.issue(stranger.user_id, Scope(project_id=owner.project_id), ("password",))


def test_seed_has_the_promised_people(site: Site) -> None:
    """Users, projects and roles are those the documents name."""
    directory = site.cloud.identity.directory
    assert {user.name for user in directory.users.values()} == {"dr-admin", "operator", "mallory", "protector"}
    assert {project.name for project in directory.projects.values()} == {"production", "other", "service"}
    assert site.token("operator").role_names == {"member"}
    assert site.token("dr-admin").role_names == {"admin", "member"}
    assert site.token("protector").role_names == {"admin", "service"}


def test_secrets_are_not_printed(site: Site) -> None:
    """Neither a user's password nor a token's id shows in its repr."""
    token = site.token()
    user = site.cloud.identity.directory.users[token.user_id]
    assert user.password not in repr(user)
    assert token.id not in repr(token)
