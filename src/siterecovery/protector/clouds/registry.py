"""Hands out clouds; whoever asks twice gets the same one, with its token, endpoints and connections.

The *service* actor always works with the service user's own administrator token and names the tenant's project in its lists. The *tenant*
actor is the delegation's trust; where there is none, a role that an administrator gave the service user in the project will do, but never
an administrator's one: the lock that keeps a server off must refuse the tenant actor.
"""

import importlib.metadata
import threading
from collections.abc import Callable, Mapping
from typing import Any

import requests

from siterecovery.protector.clouds.access import SiteAccess
from siterecovery.protector.clouds.cloud import SiteCloud
from siterecovery.protector.clouds.compute import NovaCompute
from siterecovery.protector.clouds.describe import Describer
from siterecovery.protector.clouds.errors import translated
from siterecovery.protector.clouds.identity import Actor, Trusts, project_actor, service_actor, trust_actor
from siterecovery.protector.clouds.network import NeutronNetworks
from siterecovery.protector.clouds.rest import Service
from siterecovery.protector.clouds.retry import Pace
from siterecovery.protector.clouds.scope import Scope
from siterecovery.protector.clouds.session import SiteSession
from siterecovery.protector.clouds.volume import CinderVolumes
from siterecovery.protector.clouds.volume_group import CinderGroups
from siterecovery.protector.clouds.volume_type import CinderTypes
from siterecovery.protector.domain.errors import CloudError, NotFound, TokenRejected
from siterecovery.protector.domain.secret import Secret

__all__ = ["SiteAccess", "SiteClouds", "user_agent"]

DelegationOf = Callable[[str, str], str | None]
"""(site id, project id there) → trust id."""

ADMIN_ROLE = "admin"


def user_agent(site_name: str) -> str:
    """How every call of this Protector names itself; operators and firewalls see which site asks."""
    return f"protector/{importlib.metadata.version('siterecovery')} ({site_name})"


class SiteClouds:
    """`base.Clouds`. `sites` by site id; it may be a live mapping. `own_site` is the name of the site this Protector stands in."""

    def __init__(
        self,
        sites: Mapping[str, SiteAccess],
        *,
        own_site: str,
        delegation: DelegationOf,
        pace: Pace | None = None,
        http: Callable[[SiteAccess], requests.Session] | None = None,
    ) -> None:
        self._access = sites
        self._agent = user_agent(own_site)
        self._delegation = delegation
        self._pace = pace
        self._http = http
        self._lock = threading.RLock()
        self._sessions: dict[str, SiteSession] = {}
        self._service_actors: dict[str, Actor] = {}
        self._trust_actors: dict[tuple[str, str], Actor] = {}
        self._types_of: dict[str, CinderTypes] = {}
        self._clouds: dict[tuple[str, str, str], SiteCloud] = {}

    def tenant(self, site_id: str, project_id: str) -> SiteCloud:
        """A new delegation is noticed at once: the trust is part of what a cloud is kept under."""
        trust_id = self._delegation(site_id, project_id)
        key = (site_id, project_id, f"trust {trust_id}" if trust_id else "role")
        with self._lock:
            known = self._clouds.get(key)
        if known is not None:
            return known
        site = self._session(site_id)
        actor = self._by_trust(site_id, project_id, trust_id) if trust_id else self._by_role(site, project_id)
        return self._keep(key, self._build(actor, Scope(project_id, admin=False), site_id))

    def usable(self, site_id: str, project_id: str, trust_id: str) -> bool:
        """Whether a token can be had by a trust: Keystone lists those as well whose trustor has lost the role."""
        try:
            self._by_trust(site_id, project_id, trust_id).check()
        except TokenRejected:
            return False
        return True

    def _by_trust(self, site_id: str, project_id: str, trust_id: str) -> Actor:
        """One per trust: the token with which it was seen to be usable is the one that is used."""
        site = self._session(site_id)
        with self._lock:
            return self._trust_actors.setdefault((site_id, trust_id), trust_actor(site, project_id, trust_id))

    def _by_role(self, site: SiteSession, project_id: str) -> Actor:
        actor = project_actor(site, project_id)
        try:
            roles = set(actor.access().role_names or ())
        except TokenRejected as error:
            raise TokenRejected(
                f"Project {project_id} has no delegation on site {site.access.name}.",
                service="keystone",
                remedy="Create it with the project's own token: openstack dr delegation create (or PUT /v1/{project}/delegation).",
            ) from error
        if ADMIN_ROLE in roles:
            raise TokenRejected(
                f"The service user is an administrator in project {project_id} on site {site.access.name}: "
                "the lock on a stopped server would not hold it back.",
                service="keystone",
                remedy="Create a delegation, or give the service user the member role there instead.",
            )
        return actor

    def service(self, site_id: str, project_id: str) -> SiteCloud:
        """An administrator's token; nothing is asked of the cloud here."""
        key = (site_id, project_id, "service")
        with self._lock:
            known = self._clouds.get(key)
        if known is not None:
            return known
        return self._keep(key, self._build(self._service_actor(site_id), Scope(project_id, admin=True), site_id))

    def reachable(self, site_id: str) -> bool:
        """Any answer to the version document counts, also an unhappy one: then the connection is not the trouble."""
        site = self._session(site_id)
        limit = site.access.connect_timeout
        try:
            with translated(site.called("Keystone"), "reachability"):
                answer = site.keystone.get(
                    site.access.auth_url, authenticated=False, raise_exc=False, log=False, timeout=(limit, limit)
                )
        except CloudError:
            return False
        return int(answer.status_code) < 500

    def trusts(self, site_id: str) -> Trusts:
        """For making and ending delegations with a tenant's own token."""
        site = self._session(site_id)

        def call(method: str, path: str, token: Secret, body: Any) -> Any:
            service = site.called("Keystone")
            with translated(service, f"{method} {path}"):
                answer = site.keystone.request(
                    _v3(site.access.auth_url) + path,
                    method,
                    json=body,
                    headers={"X-Auth-Token": token.reveal()},
                    authenticated=False,
                    log=False,
                )
            return answer.json() if answer.content else None

        return Trusts(call, lambda: str(self._service_actor(site_id).access().user_id))

    def close(self) -> None:
        """Drops all connections; clouds handed out before must not be used any more."""
        with self._lock:
            for session in self._sessions.values():
                session.close()
            self._sessions.clear()
            self._service_actors.clear()
            self._trust_actors.clear()
            self._types_of.clear()
            self._clouds.clear()

    def _session(self, site_id: str) -> SiteSession:
        with self._lock:
            if site_id not in self._sessions:
                access = self._access.get(site_id)
                if access is None:
                    raise NotFound(
                        f"Site {site_id} is not configured here.",
                        remedy="Add its [site:<name>] section to the configuration and restart.",
                    )
                http = self._http(access) if self._http else None
                self._sessions[site_id] = SiteSession(access, user_agent=self._agent, http=http, pace=self._pace)
            return self._sessions[site_id]

    def _service_actor(self, site_id: str) -> Actor:
        with self._lock:
            if site_id not in self._service_actors:
                self._service_actors[site_id] = service_actor(self._session(site_id))
            return self._service_actors[site_id]

    def _types(self, site_id: str) -> CinderTypes:
        """One per site: what it remembers serves all projects."""
        with self._lock:
            if site_id not in self._types_of:
                self._types_of[site_id] = CinderTypes(Service(self._service_actor(site_id), "block-storage"))
            return self._types_of[site_id]

    def _keep(self, key: tuple[str, str, str], cloud: SiteCloud) -> SiteCloud:
        with self._lock:
            return self._clouds.setdefault(key, cloud)

    def _build(self, actor: Actor, scope: Scope, site_id: str) -> SiteCloud:
        nova, cinder, neutron = (Service(actor, kind) for kind in ("compute", "block-storage", "network"))
        types = self._types(site_id)
        groups = CinderGroups(cinder, scope, types, self._access[site_id].group_type)
        volumes = CinderVolumes(cinder, scope, types, groups)
        describer = Describer(nova, neutron, volumes) if scope.admin else None
        return SiteCloud(
            site_id=site_id,
            project_id=scope.project_id,
            compute=NovaCompute(nova, scope, describer),
            volumes=volumes,
            networks=NeutronNetworks(neutron, scope),
            identity=actor,
            probes={
                "keystone": actor.check,
                "nova": lambda: nova.get("/servers", {"limit": 1}),
                "cinder": lambda: cinder.get("/volumes", {"limit": 1}),
                "neutron": lambda: neutron.get("/networks", {"limit": 1}),
            },
        )


def _v3(auth_url: str) -> str:
    """Operators write the URL with or without /v3."""
    base = auth_url.rstrip("/")
    return base if base.endswith("/v3") else f"{base}/v3"
