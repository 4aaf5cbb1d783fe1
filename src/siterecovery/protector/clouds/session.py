"""One site's connections: every actor and every service of a site shares them.

One `requests.Session` with a pool as wide as the engine has threads. Proxies and netrc of the environment are not used: looking them up
costs more than the rest of a call, and a disaster is no time for surprises. Time limits are set in the HTTP adapter, so that no
call can be made without them, keystoneauth's own included.
"""

import collections
import json
import threading
from collections.abc import Mapping
from typing import Any

import requests
from keystoneauth1 import session as ksa_session
from keystoneauth1.plugin import BaseAuthPlugin
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from siterecovery.protector.clouds.access import SiteAccess
from siterecovery.protector.clouds.retry import Pace
from siterecovery.workflow.ownership import still_owned

POOL = 64


class _LastLook:
    """Of a connection: the lease is asked for right before the bytes of a change leave, after whatever took its time (a connection, a handshake).
    All that is left is the instant between two lines, in which a freeze can no more be seen."""

    def send(self, data: Any) -> None:
        connection: Any = self
        if connection.sock is None and connection.auto_open:
            connection.connect()
        if connection._method != "GET":  # http.client keeps it from putrequest on
            still_owned()
        super().send(data)  # type: ignore[misc]


class _Plain(_LastLook, HTTPConnection):
    pass


class _Encrypted(_LastLook, HTTPSConnection):
    pass


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _EncryptedPool(HTTPSConnectionPool):
    ConnectionCls = _Encrypted


class _LimitedAdapter(HTTPAdapter):
    """An HTTP adapter that knows no call without time limits, and no change without a last look at who asks for it."""

    def __init__(self, connect: float, read: float) -> None:
        self._limits = (connect, read)
        super().__init__(pool_connections=8, pool_maxsize=POOL, pool_block=False, max_retries=0)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _EncryptedPool}

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
        """Calls with limits of their own keep them."""
        if options.get("timeout") is None:
            options["timeout"] = self._limits
        return super().send(request, **options)


def http_session(access: SiteAccess) -> requests.Session:
    """The real thing; unit tests mount an adapter of their own on a session instead."""
    http = requests.Session()
    http.trust_env = False
    adapter = _LimitedAdapter(access.connect_timeout, access.read_timeout)
    http.mount("http://", adapter)
    http.mount("https://", adapter)
    return http


class SiteSession:
    """Connections and habits of one site; knows no credentials but the access it was made from."""

    def __init__(
        self, access: SiteAccess, *, user_agent: str, http: requests.Session | None = None, pace: Pace | None = None
    ) -> None:
        self.access = access
        self.pace = pace or Pace()
        self.http = http or http_session(access)
        self._user_agent = user_agent
        self._headers = {"User-Agent": user_agent, "Accept-Encoding": "gzip, deflate", "Connection": "keep-alive"}
        self._verify = access.cafile or True
        self._documents: dict[str, Any] = {}
        self.discovery: dict[str, threading.Lock] = collections.defaultdict(threading.Lock)
        """By service type; held while its version document is read: what one actor has read, the others find in the cache."""
        self.keystone = self._session(None)

    def signed_in(self, auth: BaseAuthPlugin) -> ksa_session.Session:
        """For version discovery: Cinder and Neutron show the document below their version only to those with a token."""
        return self._session(auth)

    def _session(self, auth: BaseAuthPlugin | None) -> ksa_session.Session:
        made = ksa_session.Session(
            auth=auth,
            session=self.http,
            verify=self._verify,
            user_agent=self._user_agent,
            discovery_cache=self._documents,
        )
        made.user_agent = self._user_agent  # exactly ours: the constructor would append its own names
        return made

    def send(self, method: str, url: str, headers: Mapping[str, str], body: Any = None) -> requests.Response:
        """One call, straight to the connection pool: the ways of `requests` and keystoneauth (merged settings, cookies, hooks, log records)
        cost twice what the rest of a call does. A redirection is left to them. Raises what they raise when there is no answer."""
        request = requests.PreparedRequest()
        request.method, request.url = method, url
        request.headers = CaseInsensitiveDict({**self._headers, **headers})
        if body is not None:
            request.body = json.dumps(body).encode()
            request.headers.update({"Content-Type": "application/json", "Content-Length": str(len(request.body))})
        elif method != "GET":
            request.headers["Content-Length"] = "0"
        response = self.http.get_adapter(url).send(request, verify=self._verify)
        if response.is_redirect:
            return self.keystone.request(
                url, method, json=body, headers=dict(headers), authenticated=False, raise_exc=False, log=False
            )
        response.content  # noqa: B018 - read now: an answer that breaks off is no answer
        return response

    def called(self, service: str) -> str:
        """How messages name a service of this site."""
        return f"{service} on site {self.access.name}"

    def close(self) -> None:
        """Drops the pooled connections."""
        self.http.close()
