"""Who acts: the service user on its own, or in a tenant's project through the tenant's trust.

A token is kept until it expires and shared by all threads. When a service answers 401 in the middle of an operation, one thread
fetches a new token, the others use it; how often that is tried is for `domain.credential` to say (`TokenRejected` in the end).
"""

import dataclasses
import functools
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from keystoneauth1 import adapter
from keystoneauth1.access.access import AccessInfo
from keystoneauth1.identity import v3

from siterecovery.protector.clouds.errors import authenticating, translated
from siterecovery.protector.clouds.retry import Kind
from siterecovery.protector.clouds.session import SiteSession
from siterecovery.protector.domain.errors import CloudRefused, CloudUnreachable, TokenRejected
from siterecovery.protector.domain.secret import Secret

Version = tuple[int, int]
WANTED = {"compute": ("2.1", "2.latest"), "block-storage": ("3.0", "3.latest"), "network": ("2.0", "2.latest")}
"""The major versions we speak, as (least, greatest)."""


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """Where a service is, and the microversions it speaks there (None: it does not say, or knows none)."""

    url: str
    least: Version | None = None
    greatest: Version | None = None


class Actor:
    """One account in one scope on one site. `name` says who, for messages.

    A new token comes from a new plugin of keystoneauth1, made by `auth`: the old one must not be invalidated while other threads ask it, because
    it looks outside its own lock at what it has just fetched.
    """

    def __init__(self, site: SiteSession, auth: Callable[[], v3.Password], name: str) -> None:
        self.site = site
        self.name = name
        self._anew = auth
        self._auth = auth()
        self._lock = threading.Lock()
        self._seen = ("", 0.0)
        self._endpoints: dict[str, Endpoint] = {}

    def access(self) -> AccessInfo:
        """The token with what it says; fetched when there is none or it is about to expire."""
        service = self.site.called("Keystone")

        def fetch() -> AccessInfo:
            with authenticating(service, self.name):
                return self._auth.get_access(self.site.keystone)

        return self.site.pace.run(Kind.READ, fetch)

    def token(self) -> str:
        """Goes onto the wire and nowhere else."""
        token = self.access().auth_token
        if not token:
            raise TokenRejected(f"{self.site.called('Keystone')} gave no token for {self.name}.", service="keystone")
        if token != self._seen[0]:
            self._seen = (str(token), time.monotonic())
        return str(token)

    def renew(self, refused: str) -> str:
        """A token newer than the one a service has refused; threads that come late find it already there."""
        with self._lock:
            if self.token() == refused:
                self._auth = self._anew()
            return self.token()

    def check(self, age: float = 0.0) -> None:
        """A fresh token can be had: a cached one would hide that the trust is gone, unless it is at most `age` seconds old."""
        with self._lock:
            if not self._seen[0] or time.monotonic() - self._seen[1] > age:
                self._auth = self._anew()
            self.token()

    def endpoint(self, service_type: str) -> Endpoint:
        """From the catalog and the service's version document, read once."""
        known = self._endpoints.get(service_type)
        if known is None:
            known = self.site.pace.run(Kind.READ, lambda: self._discover(service_type))
            if known.greatest is not None or service_type == "network":
                self._endpoints[service_type] = known
        return known

    def _discover(self, service_type: str) -> Endpoint:
        self.token()
        least, greatest = WANTED[service_type]
        access = self.site.access
        service = self.site.called(f"The catalog's {service_type} service")
        finder = adapter.Adapter(
            self.site.signed_in(self._auth),
            service_type=service_type,
            interface=access.interface,
            region_name=access.region_name,
            min_version=least,
            max_version=greatest,
        )
        with translated(service, "version discovery"), self.site.discovery[service_type]:
            found = finder.get_endpoint_data()
        if found is None or not found.url:
            raise CloudRefused(
                f"{service} has no {access.interface} endpoint in region {access.region_name or '(any)'}.",
                service=service_type,
                remedy="Register it in Keystone's catalog, or correct region_name and interface in the configuration.",
            )
        if found.api_version is None:
            # the catalog's own word, when the service does not answer: below that URL may be nothing
            raise CloudUnreachable(f"{service} does not say which versions it speaks.", service=service_type)
        return Endpoint(found.url.rstrip("/"), _pair(found.min_microversion), _pair(found.max_microversion))


def _pair(version: Any) -> Version | None:
    return (int(version[0]), int(version[1])) if version else None


def service_actor(site: SiteSession) -> Actor:
    """The service user in its own project."""
    access = site.access
    return Actor(
        site,
        _password(site, project_name=access.project_name, project_domain_name=access.project_domain),
        f"service user {access.username}",
    )


def trust_actor(site: SiteSession, project_id: str, trust_id: str) -> Actor:
    """The service user impersonating the tenant who made the trust."""
    return Actor(site, _password(site, trust_id=trust_id), f"the delegation of project {project_id}")


def project_actor(site: SiteSession, project_id: str) -> Actor:
    """The service user with the role an administrator has given it in the tenant's project."""
    name = f"service user {site.access.username} in project {project_id}"
    return Actor(site, _password(site, project_id=project_id), name)


def _password(site: SiteSession, **scope: Any) -> Callable[[], v3.Password]:
    access = site.access
    return functools.partial(
        v3.Password,
        auth_url=access.auth_url,
        username=access.username,
        password=access.password.reveal(),
        user_domain_name=access.user_domain,
        **scope,
    )


@dataclasses.dataclass(frozen=True)
class Trusts:
    """The tenant's side of a delegation: made with the tenant's own token, which is used for these calls and forgotten.

    `call` is (method, path, user token, body) → answer, against Keystone's v3 root of the site.
    """

    call: Callable[[str, str, Secret, Any], Any]
    trustee_user_id: Callable[[], str]

    def ensure(
        self, token: Secret, *, trustor_user_id: str, project_id: str, roles: Sequence[str] = ("member",)
    ) -> str:
        """The id of an impersonating trust to the service user with these roles; an equal one that lasts is used again."""
        trustee = self.trustee_user_id()
        listed = self.call("GET", f"/OS-TRUST/trusts?trustor_user_id={trustor_user_id}", token, None)
        for trust in listed.get("trusts", ()):
            shown = self.call("GET", f"/OS-TRUST/trusts/{trust['id']}", token, None)["trust"]
            if _serves(shown, trustee, project_id, roles):
                return str(shown["id"])
        body = {
            "trustor_user_id": trustor_user_id,
            "trustee_user_id": trustee,
            "project_id": project_id,
            "impersonation": True,
            "roles": [{"name": role} for role in roles],
        }
        return str(self.call("POST", "/OS-TRUST/trusts", token, {"trust": body})["trust"]["id"])

    def delete(self, token: Secret, trust_id: str) -> None:
        """With the trustor's token: the trustee cannot."""
        self.call("DELETE", f"/OS-TRUST/trusts/{trust_id}", token, None)


def _serves(trust: dict[str, Any], trustee: str, project_id: str, roles: Sequence[str]) -> bool:
    return (
        trust.get("trustee_user_id") == trustee
        and trust.get("project_id") == project_id
        and bool(trust.get("impersonation"))
        and trust.get("expires_at") is None
        and trust.get("remaining_uses") is None
        and {role.get("name") for role in trust.get("roles", ())} == set(roles)
    )
