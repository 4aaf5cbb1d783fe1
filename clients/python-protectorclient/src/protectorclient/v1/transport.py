"""One call to one Protector: endpoint, microversion, time limits, and errors translated once.

Nothing above this file sees an exception of keystoneauth or requests.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import requests
from keystoneauth1 import adapter, session
from keystoneauth1 import exceptions as ksa

from protectorclient import __version__, exceptions

USER_AGENT = f"python-protectorclient/{__version__}"
SERVICE = "protector"
CONNECT_TIMEOUT = 4.0
"""Seconds. A dead site must be noticed before the person in front of it gives up."""
READ_TIMEOUT = 60.0
"""Seconds for an answer once connected: the Protector itself asks the other site before it accepts a change."""


_FROM_A_PROXY = (502, 503, 504)
"""What a load balancer says when nobody, or nobody in time, answers behind it."""


class Transport:
    """HTTP to the Protector of one cloud.

    `source` is a keystoneauth1 Session, or an Adapter whose session, interface and region are taken over.
    """

    def __init__(
        self,
        source: session.Session | adapter.Adapter,
        *,
        api_version: str,
        interface: str | None = None,
        region_name: str | None = None,
        endpoint_override: str | None = None,
        label: str = "",
        timeout: float = READ_TIMEOUT,
    ) -> None:
        given = source if isinstance(source, adapter.Adapter) else None
        self.session: session.Session = source.session if isinstance(source, adapter.Adapter) else source
        self._interface = interface or (given.interface if given else None) or "public"
        self._region = region_name or (given.region_name if given else None)
        self._override = endpoint_override or (given.endpoint_override if given else None)
        self._headers = {"OpenStack-API-Version": f"{SERVICE} {api_version}", "Accept": "application/json"}
        self._timeout = (min(CONNECT_TIMEOUT, timeout), timeout)
        self.label = label or "this cloud"
        self._root: str | None = None

    @property
    def project_id(self) -> str:
        """The project the token is scoped to: it is part of most paths."""
        with self._translated():
            project = self.session.get_project_id()
        if not project:
            raise exceptions.AuthenticationFailed(
                f"The credentials for {self.label} are not scoped to a project",
                remedy="Set project_name (or OS_PROJECT_NAME) for this cloud.",
            )
        return project

    def request(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
        secrets: Sequence[str] = (),
    ) -> Any:
        """The decoded answer (None when it is empty). A request that carries `secrets` is never logged."""
        with self._translated():
            answer = self.session.request(
                self._endpoint() + path,
                method,
                json=body,
                params={key: value for key, value in (params or {}).items() if value is not None},
                headers=self._headers,
                user_agent=USER_AGENT,
                timeout=self._timeout,
                raise_exc=False,
                log=not secrets,
            )
        content = _decoded(answer)
        if answer.status_code in _FROM_A_PROXY and not exceptions.is_from_protector(content):
            raise exceptions.SiteUnreachable(
                f"protector-api of {self.label} cannot be reached: what stands before it answers {answer.status_code} {answer.reason}",
                remedy="Check that protector-api is running there.",
            )
        if answer.status_code >= 300:
            request_id = answer.headers.get("X-Openstack-Request-Id", "")
            raise exceptions.from_answer(
                answer.status_code, content, reason=answer.reason or "", request_id=request_id, secrets=secrets
            )
        return content

    def identity(self, path: str, *, missing_ok: bool = False) -> dict[str, Any]:
        """A reading of the identity service (v3) of the same cloud."""
        with self._translated():
            endpoint = self.session.get_endpoint(
                service_type="identity", interface=self._interface, region_name=self._region, version="v3"
            )
            answer = self.session.request(
                str(endpoint).rstrip("/") + path, "GET", user_agent=USER_AGENT, timeout=self._timeout, raise_exc=False
            )
        if answer.status_code == 404 and missing_ok:
            return {}
        content = _decoded(answer)
        if answer.status_code >= 300 or not isinstance(content, dict):
            raise exceptions.from_answer(answer.status_code, None, reason=answer.reason or "")
        return content

    def _endpoint(self) -> str:
        if self._root is None:
            self._root = _root(self._override or self._from_catalog())
        return self._root

    def _from_catalog(self) -> str:
        """By type, else by name: which of them an operator registered as `protector` is not ours to decide."""
        plugin = self.session.auth
        access = plugin.get_access(self.session) if plugin is not None and hasattr(plugin, "get_access") else None
        if access is not None and access.has_service_catalog():
            for kind in ("service_type", "service_name"):
                found = access.service_catalog.get_urls(
                    **{kind: SERVICE}, interface=self._interface, region_name=self._region
                )
                if found:
                    return str(found[0])
        raise exceptions.EndpointNotFound(
            f"The catalog of {self.label} has no service '{SERVICE}'"
            + (f" in region {self._region}" if self._region else ""),
            remedy=f"An admin registers it: openstack service create --name {SERVICE} {SERVICE}, then its endpoints.",
        )

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except ksa.SSLError as error:
            raise exceptions.ConnectionNotTrusted(
                f"The TLS certificate of {self.label} was not accepted: {error}",
                remedy="Give the CA with cacert in clouds.yaml (or --os-cacert).",
            ) from error
        except (ksa.ConnectionError, ksa.DiscoveryFailure, ksa.HttpServerError, ksa.RequestTimeout) as error:
            raise exceptions.SiteUnreachable(
                f"{self.label} cannot be reached: {_reason(error)}",
                remedy="Check the network and that its identity service and protector-api are running.",
            ) from error
        except ksa.ClientException as error:
            raise exceptions.AuthenticationFailed(
                f"Authentication to {self.label} failed: {error}",
                remedy="Check the credentials for this cloud (clouds.yaml, or the OS_* variables).",
            ) from error


def _decoded(answer: Any) -> Any:
    if not answer.content:
        return None
    try:
        return answer.json()
    except ValueError:
        return None


def _reason(error: BaseException) -> str:
    """The first cause in a few words: the layers above it each add a line of their own."""
    causes = [error]
    while (below := causes[-1].__cause__ or causes[-1].__context__) is not None and below not in causes:
        causes.append(below)
    if isinstance(error, ksa.HttpError):
        return f"its identity service answers {error}"
    for cause in reversed(causes):
        if isinstance(cause, requests.Timeout):
            return "no answer in time"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
    return str(error)


def _root(url: str) -> str:
    """The address above `/v1`: catalogs hold it with and without the version and the project."""
    return url.rstrip("/").partition("/v1/")[0].removesuffix("/v1")
