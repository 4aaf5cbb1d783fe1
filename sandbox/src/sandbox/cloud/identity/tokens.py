"""Issuing, validating and revoking tokens.

A token's roles are what the user (or, under a trust, the trustor) holds at the moment it is looked at: who loses a
role loses it in the tokens already out, and a token left with no role is no token any more. That is what Keystone does
with its non-persistent tokens.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from sandbox.cloud.errors import Forbidden, Unauthorized
from sandbox.cloud.identity.model import ApplicationCredential, Directory, Token, Trust

_AUDIT_BYTES = 16
_TOKEN_BYTES = 132  # about as long as a Fernet token


@dataclass(frozen=True)
class Scope:
    """What a token is wanted for; all empty means unscoped."""

    project_id: str = ""
    domain_id: str = ""
    system: bool = False
    trust: Trust | None = None


class Tokens:
    """All tokens of one cloud; `lifetime` seconds, settable while the world runs."""

    def __init__(self, directory: Directory, lifetime: float) -> None:
        self._directory = directory
        self._tokens: dict[str, Token] = {}
        self.lifetime = lifetime

    def issue(
        self,
        user_id: str,
        scope: Scope,
        methods: tuple[str, ...],
        *,
        parent: Token | None = None,
        credential: ApplicationCredential | None = None,
    ) -> Token:
        """A new token, at most as long-lived as the one it was made from; 401 without a role, 403 for a dead trust."""
        now = self._directory.clock.now()
        expires = min(
            now + self.lifetime, *(limit for limit in self._limits(parent, scope.trust, credential)), now + 1e9
        )
        token = Token(
            id="gAAAAA" + secrets.token_urlsafe(_TOKEN_BYTES),
            user_id=user_id,
            project_id=scope.project_id,
            methods=methods,
            issued_at=now,
            expires_at=expires,
            audit_ids=(secrets.token_urlsafe(_AUDIT_BYTES),),
            domain_id=scope.domain_id,
            system=scope.system,
            trust=scope.trust,
            credential=credential,
        )
        self._refresh(token)
        if (token.project_id or token.domain_id or token.system) and not token.role_ids:
            raise Unauthorized("no role in this scope")
        self._tokens[token.id] = token
        self._forget_expired(now)
        return token

    def find(self, token_id: str) -> Token | None:
        """The token if it is good now, with the roles of now."""
        token = self._tokens.get(token_id)
        if token is None or token.expires_at <= self._directory.clock.now():
            return None
        if token.revision != self._directory.revision and not self._still_good(token):
            return None
        return token

    def revoke(self, token_id: str) -> bool:
        """Forget one token; False when it was not there."""
        return self._tokens.pop(token_id, None) is not None

    def revoke_all(self) -> int:
        """Forget every token, as when Keystone's keys are lost; returns how many."""
        count = len(self._tokens)
        self._tokens.clear()
        return count

    def revoke_user(self, user_id: str) -> None:
        """Forget all tokens of one user."""
        self._tokens = {key: token for key, token in self._tokens.items() if token.user_id != user_id}

    def _still_good(self, token: Token) -> bool:
        try:
            self._refresh(token)
        except (Forbidden, Unauthorized):
            return False
        return bool(token.role_ids) or not (token.project_id or token.domain_id or token.system)

    def _refresh(self, token: Token) -> None:
        """Look up the roles again; raises when a trust or a user behind the token is gone."""
        directory = self._directory
        user = directory.users.get(token.user_id)
        if user is None or not user.enabled:
            raise Unauthorized("user is gone or disabled")
        if token.trust is not None:
            token.role_ids = self._trust_roles(token.trust)
        else:
            token.role_ids = self._own_roles(token)
        token.role_names = frozenset(directory.roles[role].name for role in token.role_ids)
        token.revision = directory.revision

    def _own_roles(self, token: Token) -> tuple[str, ...]:
        project = self._directory.projects.get(token.project_id)
        if token.project_id and (project is None or not project.enabled):
            raise Unauthorized("project is gone or disabled")
        if token.credential is not None:
            if token.credential.id not in self._directory.credentials:
                raise Unauthorized("application credential is gone")
            held = self._directory.roles_of(token.user_id, token.project_id)
            return tuple(role for role in token.credential.role_ids if role in held)
        if token.system or token.domain_id:
            return self._everywhere(token.user_id)
        return self._directory.roles_of(token.user_id, token.project_id)

    def _everywhere(self, user_id: str) -> tuple[str, ...]:
        """Domain and system scope are open to administrators of any project: all that a world needs of them."""
        admin = self._directory.role("admin").id
        held = any((user, role) == (user_id, admin) for user, _, role in self._directory.assignments)
        return (admin,) if held else ()

    def _trust_roles(self, trust: Trust) -> tuple[str, ...]:
        directory = self._directory
        trustor = directory.users.get(trust.trustor_id)
        if trust.id not in directory.trusts or trustor is None or not trustor.enabled:
            raise Forbidden("Trustor is disabled.")
        held = directory.roles_of(trust.trustor_id, trust.project_id)
        if not all(role in held for role in trust.role_ids):
            raise Forbidden("Trustee has no delegated roles.")
        return trust.role_ids

    @staticmethod
    def _limits(parent: Token | None, trust: Trust | None, credential: ApplicationCredential | None) -> list[float]:
        limits = [parent.expires_at if parent else None, trust.expires_at if trust else None]
        limits.append(credential.expires_at if credential else None)
        return [limit for limit in limits if limit is not None]

    def _forget_expired(self, now: float) -> None:
        if len(self._tokens) > 10_000:
            self._tokens = {key: token for key, token in self._tokens.items() if token.expires_at > now}
