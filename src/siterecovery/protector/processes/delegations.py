"""Whose trust the service acts under, on either site.

This site's trusts are in this site's database. Those on the other site are asked of its Keystone, as the trustee: the service user that this
Protector has there must be the one that the Protector there takes its trusts for. So no trust id has to travel, and none can be stale.
"""

import time
from collections.abc import Callable
from typing import cast
from urllib.parse import quote

from siterecovery.protector.clouds.identity import Actor
from siterecovery.protector.clouds.memory import Memory
from siterecovery.protector.clouds.registry import SiteClouds
from siterecovery.protector.domain.errors import CloudError, Forbidden, TokenRejected
from siterecovery.protector.domain.secret import Secret
from siterecovery.protector.domain.site import Site
from siterecovery.protector.store.base import Store

KEPT = 60.0
"""Seconds for which a trust found on the other site is not asked for again."""


class Delegations:
    """`clouds` is set by the wiring: each needs the other. `__call__` is what `SiteClouds` asks."""

    def __init__(self, store: Store, site_name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._site_name = site_name
        self._memory = Memory(KEPT, clock)
        self._sites = Memory(KEPT, clock)
        self.clouds: SiteClouds | None = None

    def __call__(self, site_id: str, project_id: str) -> str | None:
        site = self._sites.get(site_id, lambda: self._store.run(lambda tx: tx.sites.get(site_id)), keep=bool)
        if site is None:
            return None
        if site.name == self._site_name:
            own = self._store.run(lambda tx: tx.tenants.delegation(project_id))
            return own.trust_id if own is not None else None
        return self._remote(site, project_id)

    def _remote(self, site: Site, project_id: str) -> str | None:
        return self._memory.get((site.id, project_id), lambda: self._ask(site.id, project_id), keep=bool)

    def _ask(self, site_id: str, project_id: str) -> str | None:
        assert self.clouds is not None, "the wiring sets it before anybody asks"
        actor = cast(Actor, self.clouds.service(site_id, project_id).identity)
        trusts = self.clouds.trusts(site_id)
        path = f"/OS-TRUST/trusts?trustee_user_id={quote(trusts.trustee_user_id())}"
        token = actor.token()
        try:
            answer = trusts.call("GET", path, Secret(token), None)
        except TokenRejected:  # it was revoked before its time
            answer = trusts.call("GET", path, Secret(actor.renew(token)), None)
        listed = answer.get("trusts", ())
        fitting = [
            t
            for t in listed
            if t.get("project_id") == project_id and t.get("impersonation") and not t.get("deleted_at")
        ]
        ids = [str(trust["id"]) for trust in reversed(fitting)]
        return next((id for id in ids if self.clouds.usable(site_id, project_id, id)), ids[0] if ids else None)


class TenantTrusts:
    """`api.promises.Trusts` on this site."""

    def __init__(self, store: Store, clouds: SiteClouds, site_name: str) -> None:
        self._store = store
        self._clouds = clouds
        self._site_name = site_name

    def create(self, *, token: str, project_id: str, user_id: str) -> str:
        try:
            return self._clouds.trusts(self._own()).ensure(
                Secret(token), trustor_user_id=user_id, project_id=project_id
            )
        except CloudError as error:
            if error.http_status not in (401, 403, 404):
                raise
            raise Forbidden(
                "Keystone does not let this token create a trust: it must be a member's own, unrestricted one.",
                code="delegation.refused",
                remedy="Use a password token of a user with the member role, or ask an administrator to give the service "
                "user the member role in the project.",
            ) from error

    def delete(self, trust_id: str, *, token: str) -> None:
        try:
            self._clouds.trusts(self._own()).delete(Secret(token), trust_id)
        except CloudError as error:
            if error.http_status != 404:
                raise

    def _own(self) -> str:
        found = self._store.run(lambda tx: tx.sites.find(self._site_name))
        if found is None:
            raise Forbidden(
                f"This Protector's own site '{self._site_name}' is not registered yet.",
                code="site.own_not_registered",
                remedy="Ask an administrator: openstack dr site create.",
            )
        return found.id
