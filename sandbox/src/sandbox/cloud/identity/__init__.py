"""Keystone v3: people, projects, roles, tokens, trusts, application credentials and the catalog."""

from __future__ import annotations

from sandbox.clock import Clock
from sandbox.cloud.identity import people, session, trusts
from sandbox.cloud.identity.model import Directory
from sandbox.cloud.identity.tokens import Tokens
from sandbox.cloud.wire import Service

__all__ = ["SERVICE", "Identity"]


class Identity:
    """Keystone of one cloud."""

    def __init__(self, clock: Clock, region: str, token_lifetime: float) -> None:
        self.directory = Directory(clock, region)
        self.tokens = Tokens(self.directory, token_lifetime)


SERVICE = Service("identity", (*session.ROUTES, *people.ROUTES, *trusts.ROUTES))
