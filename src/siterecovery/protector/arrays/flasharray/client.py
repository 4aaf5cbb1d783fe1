"""One array's REST interface: calls with time limits, repeated by their class, lists read whole. Shared by all groups on the array.

At most four calls are in flight: more of them collapse the management plane of a real array.
"""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import httpx

from siterecovery.protector.arrays.flasharray import tls
from siterecovery.protector.arrays.flasharray.errors import refusal, translated
from siterecovery.protector.arrays.flasharray.session import ArraySession
from siterecovery.protector.arrays.settings import ArraySettings
from siterecovery.protector.domain.credential import with_credential
from siterecovery.protector.domain.errors import BadRequest, CloudBusy, CloudUnreachable
from siterecovery.protector.domain.secret import Secret

LOG = logging.getLogger(__name__)
T = TypeVar("T")

IN_FLIGHT = 4
PAGE = 1000
ATTEMPTS = 4
_FIRST_PAUSE, _LONGEST_PAUSE, _PATIENCE = 0.5, 8.0, 30.0
_MOST_NAMES = 100
"""Names in one query: longer addresses are refused by gateways."""

Value = str | int | bool | Sequence[str]
Query = Mapping[str, Value]


class ArrayClient:
    """Three classes of calls: `items` reads, `put` may be repeated, `once` never is (its caller looks first)."""

    def __init__(
        self,
        url: str,
        token: Secret,
        settings: ArraySettings,
        *,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = normal_url(url)
        self._sleep = sleep
        self._slots = threading.BoundedSemaphore(IN_FLIGHT)
        verify = tls.context(
            ca_file=settings.ca_file, fingerprint=_of(settings.fingerprints, self.url), verify=settings.verify
        )
        limits = httpx.Limits(max_connections=IN_FLIGHT, max_keepalive_connections=IN_FLIGHT)
        self._transport = transport or httpx.HTTPTransport(verify=verify, trust_env=False, limits=limits)
        timeout = httpx.Timeout(settings.read_timeout, connect=settings.connect_timeout)
        self._http = httpx.Client(
            base_url=self.url,
            transport=self._transport,
            trust_env=False,
            follow_redirects=False,
            headers={"User-Agent": settings.user_agent},
            timeout=timeout,
        )
        self._headers, self._timeouts = dict(self._http.headers), timeout.as_dict()
        expected = _of(settings.array_ids, self.url)
        self._session = ArraySession(self._http, self.url, token, settings.rest_ceiling, expected, sleep)

    @property
    def name(self) -> str:
        """The array's own name, which its partners know it by."""
        self._repeated(self._session.current)
        return self._session.name

    def items(self, path: str, **query: Value) -> list[dict[str, Any]]:
        """A whole list. Sorting is left to the caller: a continuation token holds in the default order only."""
        return [item for page in self._pages(path, query) for item in page]

    def _pages(self, path: str, query: Query) -> Iterator[list[dict[str, Any]]]:
        paging: dict[str, Value] = {"limit": PAGE}
        offset = 0
        while True:
            asked = {**query, **paging}
            body = self._repeated(lambda asked=asked: self._call("GET", path, asked, None))  # type: ignore[misc]
            page = body.get("items") or []
            yield page
            if not body.get("more_items_remaining") or not page:
                return
            offset += len(page)
            token = body.get("continuation_token")
            paging = {"limit": PAGE, **({"continuation_token": token} if token else {"offset": offset})}

    def put(self, method: str, path: str, body: Any = None, **query: Value) -> list[dict[str, Any]]:
        """A change that may be said twice."""
        return self._items_of(self._repeated(lambda: self._call(method, path, query, body)))

    def once(self, method: str, path: str, body: Any = None, **query: Value) -> list[dict[str, Any]]:
        """A creation or a rename: after a lost answer only a look tells whether it happened."""
        return self._items_of(self._call(method, path, query, body))

    def close(self) -> None:
        """Logs out and drops the connections."""
        self._session.close()
        self._http.close()

    @staticmethod
    def _items_of(body: Any) -> list[dict[str, Any]]:
        return body.get("items") or [] if isinstance(body, dict) else []

    def _repeated(self, attempt: Callable[[], T]) -> T:
        for number in range(1, ATTEMPTS):
            try:
                return attempt()
            except (CloudUnreachable, CloudBusy) as error:
                self._sleep(pause(number, getattr(error, "retry_after", None)))
        return attempt()

    def _call(self, method: str, path: str, query: Query, body: Any) -> Any:
        answer, _ = with_credential(
            self._session.current(),
            lambda login: self._send(method, f"{login.prefix}/{path}", query, body, login.session),
            self._session.renew,
            self._sleep,
        )
        if answer.status_code >= 400:
            error = refusal(self.url, f"{method} {path}", answer)
            error.retry_after = _seconds(answer.headers.get("Retry-After"))  # type: ignore[attr-defined]
            raise error
        return self._parsed(answer, f"{method} {path}")

    def _send(self, method: str, path: str, query: Query, body: Any, session: str) -> httpx.Response:
        """A body is always sent with a change: some versions refuse one without (415). Straight to the connections: the client's own way (merged
        settings, cookies, redirections) costs as much as the rest of a call."""
        content = None if method in ("GET", "DELETE") else json.dumps({} if body is None else body).encode()
        headers = {**self._headers, "x-auth-token": session} | ({"Content-Type": "application/json"} if content else {})
        url = f"{self.url}{path}?{encode(query)}" if query else f"{self.url}{path}"
        request = httpx.Request(method, url, content=content, headers=headers, extensions={"timeout": self._timeouts})
        with self._slots, translated(self.url, f"{method} {path}"):
            changing = tls.CHANGING.set(method != "GET")
            try:
                answer = self._transport.handle_request(request)
                answer.read()
            finally:
                tls.CHANGING.reset(changing)
            return answer

    def _parsed(self, answer: httpx.Response, action: str) -> Any:
        if not answer.content:
            return {}
        try:
            return json.loads(answer.content)
        except ValueError as error:
            raise CloudBusy(f"Array {self.url}: {action}: the answer is not JSON", service=self.url) from error


def encode(query: Query) -> str:
    """Each item of a list is escaped by itself, the commas between them stay."""
    return "&".join(f"{key}={_encoded(value)}" for key, value in sorted(query.items()))


def _encoded(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return quote(str(value), safe="")
    return ",".join(quote(item, safe="") for item in value)


def chunks(names: Iterable[str]) -> Iterator[list[str]]:
    """Names in portions that one query can hold, sorted."""
    ordered = sorted(set(names))
    for start in range(0, len(ordered), _MOST_NAMES):
        yield ordered[start : start + _MOST_NAMES]


def quoted(text: str) -> str:
    """A string inside a filter."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def pause(attempt: int, asked: float | None) -> float:
    """Seconds before the next attempt; what the array asks for counts, within reason."""
    return min(asked, _PATIENCE) if asked is not None else min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** (attempt - 1))


def normal_url(url: str) -> str:
    """`https://host[:port]`; a bare host is completed. Plain HTTP would show the token to everybody."""
    text = url.strip()
    parts = urlsplit(text if "://" in text else f"https://{text}")
    if parts.scheme != "https" or not parts.hostname or parts.username or parts.path.strip("/") or parts.query:
        raise BadRequest(f"'{url}' is no address of an array.", remedy="Give https://<virtual management address>.")
    return f"https://{parts.netloc.lower()}"


def _of(values: Mapping[str, str], url: str) -> str | None:
    return next((value for key, value in values.items() if normal_url(key) == url), None)


def _seconds(text: str | None) -> float | None:
    try:
        return max(0.0, float(text or ""))
    except ValueError:
        return None
