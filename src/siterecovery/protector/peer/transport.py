"""HTTP to the other site's Protector, with the service credentials this site has there.

One session per site, shared by all threads. Its token is renewed here and not by keystoneauth1, which tells all threads but one that meet a 401
at the same time that they are refused. Limits are short: a dead site must be noticed before the person who waits gives up. Nothing above this
file sees an exception of keystoneauth1 or requests.

RemoteSiteUnreachable   no connection, no answer in time, 5xx, 429, no Protector behind the endpoint: nobody knows whether it was applied
Forbidden               401 also with fresh tokens (credentials), 403
NotFound · Conflict · BadRequest · PreconditionFailed   as the peer said
"""

import dataclasses
import functools
import threading
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, Protocol

from keystoneauth1 import exceptions as ksa
from keystoneauth1 import session as ksa_session
from keystoneauth1.identity import v3
from requests import Response

from siterecovery.protector.domain.credential import with_credential
from siterecovery.protector.domain.errors import (
    BadRequest,
    Conflict,
    Forbidden,
    NotFound,
    PreconditionFailed,
    ProtectorError,
    RemoteSiteUnreachable,
    Unmet,
)
from siterecovery.protector.domain.secret import Secret
from siterecovery.workflow.ownership import still_owned

SERVICE = "protector"


@dataclasses.dataclass(frozen=True)
class PeerAccess:
    """`[site:<name>]` of this Protector's configuration. `endpoint` is the peer's Protector where its catalog does not tell. Seconds."""

    name: str
    auth_url: str
    username: str
    password: Secret
    project_name: str
    user_domain: str = "Default"
    project_domain: str = "Default"
    region_name: str | None = None
    interface: str = "public"
    endpoint: str | None = None
    cafile: str | None = None
    connect_timeout: float = 4.0
    read_timeout: float = 20.0


class Transport(Protocol):
    """One call to one Protector. `path` begins behind the version: `/{project}/protection-groups/…`."""

    def request(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """The decoded answer."""
        ...


class HttpTransport:
    """`own_site` is what the User-Agent tells: a fault injector, or a log over there, can tell the two sites' calls apart."""

    def __init__(self, access: PeerAccess, own_site: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self._access = access
        self._sleep = sleep
        self._auth = self._anew()
        self._session = ksa_session.Session(
            verify=access.cafile or True,
            timeout=access.read_timeout,
            user_agent=f"protector/{version('siterecovery')} ({own_site})",
            connect_retries=0,
        )
        self._lock = threading.Lock()
        self._root: str | None = None

    def request(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        try:
            url = self._endpoint() + path
            send = functools.partial(self._send, method, url, body)
            answer, _ = with_credential(self._token(), send, self._renewed, self._sleep)
        except ksa.ClientException as error:
            raise self._translated(error) from error
        return self._decoded(answer)

    def _send(self, method: str, url: str, body: dict[str, Any] | None, token: str) -> Response:
        if method != "GET":
            still_owned()
        return self._session.request(
            url,
            method,
            json=body,
            headers={"Accept": "application/json", "X-Auth-Token": token},
            timeout=(self._access.connect_timeout, self._access.read_timeout),
            raise_exc=False,
            log=False,  # documents carry what tenants call secret, sealed or not
        )

    def _anew(self) -> v3.Password:
        """Without a token yet. None is ever invalidated: other threads may be asking it, and it would have nothing for them."""
        access = self._access
        return v3.Password(
            auth_url=access.auth_url,
            username=access.username,
            password=access.password.reveal(),
            project_name=access.project_name,
            user_domain_name=access.user_domain,
            project_domain_name=access.project_domain,
        )

    def _token(self) -> str:
        """Goes onto the wire and nowhere else."""
        return str(self._auth.get_access(self._session).auth_token)

    def _renewed(self, refused: str) -> str:
        """A token newer than the refused one; threads that come late find it already there."""
        with self._lock:
            if self._token() == refused:
                self._auth = self._anew()
            return self._token()

    def _translated(self, error: ksa.ClientException) -> ProtectorError:
        name = self._access.name
        if isinstance(error, ksa.Unauthorized | ksa.Forbidden):
            return Forbidden(
                f"Site '{name}' refuses this site's service credentials.",
                code="peer.credentials",
                remedy=f"Correct username, password and project in [site:{name}].",
            )
        return RemoteSiteUnreachable(
            f"Site '{name}' cannot be reached: {type(error).__name__}.",
            remedy=f"Check the network, [site:{name}] and that Keystone and protector-api run there.",
        )

    def _decoded(self, answer: Any) -> dict[str, Any]:
        try:
            content = answer.json() if answer.content else {}
        except ValueError:
            content = None
        if answer.status_code < 300 and isinstance(content, dict):
            return content
        errors = content.get("errors") if isinstance(content, dict) else None
        told = [item for item in errors if isinstance(item, dict)] if isinstance(errors, list) else []
        raise refusal(self._access.name, answer.status_code, told)

    def _endpoint(self) -> str:
        """Above the project: `https://…:8788/v1`. Catalogs hold it with and without the version and the project."""
        with self._lock:
            if self._root is None:
                url = (self._access.endpoint or self._from_catalog()).rstrip("/")
                self._root = url.split("/v1", 1)[0] + "/v1"
            return self._root

    def _from_catalog(self) -> str:
        catalog = self._auth.get_access(self._session).service_catalog
        for by in ("service_type", "service_name"):
            found = catalog.get_urls(
                **{by: SERVICE}, interface=self._access.interface, region_name=self._access.region_name
            )
            if found:
                return str(found[0])
        raise RemoteSiteUnreachable(
            f"The catalog of site '{self._access.name}' has no service '{SERVICE}'.",
            remedy=f"Register it there (openstack service create), or set protector_endpoint in [site:{self._access.name}].",
        )


def refusal(site: str, http_status: int, errors: list[dict[str, Any]]) -> ProtectorError:
    """The peer's error as ours, its code, sentence and remedy kept."""
    first = errors[0] if errors else {}
    code, remedy = str(first.get("code") or ""), str(first.get("remedy") or "")
    told = str(first.get("detail") or "")
    detail = told or f"Site '{site}' answered {http_status}."
    kind = {400: BadRequest, 403: Forbidden, 404: NotFound, 409: Conflict}.get(http_status)
    if http_status == 412:
        return PreconditionFailed(
            [
                Unmet(str(item.get("code", "")), str(item.get("detail", "")), str(item.get("remedy", "")))
                for item in errors or [{"code": "precondition_failed", "detail": detail}]
            ]
        )
    if http_status == 401:
        return Forbidden(
            f"Site '{site}' refuses this site's token.",
            code="peer.credentials",
            remedy=f"Check [site:{site}] here and [keystone_authtoken] there.",
        )
    if kind is None or not code:
        # a proxy's page, an overloaded or a broken Protector: whether the request was applied is unknown
        return RemoteSiteUnreachable(
            f"Site '{site}' answered {http_status}: {told}" if told else detail,
            remedy=f"Check protector-api at site '{site}'.",
        )
    return kind(detail, code=code, remedy=remedy)
