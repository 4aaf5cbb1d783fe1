"""Limits that hold before anything is read or looked up: how large, and how often.

Buckets are per process and per caller: behind several API processes a caller gets the limit of each.
"""

import threading
import time
from collections.abc import Callable, Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from siterecovery.protector.api.call import Caller
from siterecovery.protector.api.errors import TooLarge, TooManyRequests
from siterecovery.protector.api.middleware.respond import CALLER
from siterecovery.protector.domain.errors import BadRequest

_MOST_KEYS = 10_000


class Limiter:
    """Token buckets by key: `per_minute` on the long run, `burst` at once. `per_minute` 0 is no limit. `clock` in seconds."""

    def __init__(self, per_minute: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = per_minute / 60
        self._burst = max(1.0, burst)
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, key: str) -> None:
        """Raises TooManyRequests when the bucket is empty."""
        if self._rate <= 0:
            return
        with self._lock:
            left = self._left(key)
            if left < 1:
                raise TooManyRequests(
                    "Too many requests in a short time.", retry_after=int((1 - left) / self._rate) + 1
                )
            self._buckets[key] = (left - 1, self._clock())

    def check(self, key: str) -> None:
        """As `take`, but takes nothing."""
        with self._lock:
            if self._rate > 0 and (left := self._left(key)) < 1:
                raise TooManyRequests(
                    "Too many requests in a short time.", retry_after=int((1 - left) / self._rate) + 1
                )

    def _left(self, key: str) -> float:
        now = self._clock()
        if len(self._buckets) > _MOST_KEYS:  # full buckets are worth nothing: a new one starts full
            self._buckets = {k: v for k, v in self._buckets.items() if v[0] + (now - v[1]) * self._rate < self._burst}
        left, since = self._buckets.get(key, (self._burst, now))
        return min(self._burst, left + (now - since) * self._rate)


class Sizes:
    """Refuses by the announced length, before the body is read. Metadata documents may be larger than other bodies. Bytes."""

    def __init__(self, app: WSGIApplication, most: int, most_document: int) -> None:
        self._app = app
        self._most = most
        self._most_document = most_document

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        announced = str(environ.get("CONTENT_LENGTH") or "0")
        if not announced.isdigit():
            raise BadRequest("The header Content-Length is not a number.", code="body.malformed")
        is_document = "/replica" in str(environ.get("PATH_INFO", ""))
        most = self._most_document if is_document else self._most
        if int(announced) > most:
            raise TooLarge(f"The request has {announced} bytes, {most} are allowed.", remedy="Send less.")
        return self._app(environ, start_response)


class Rates:
    """One bucket for each user; for requests without a token one for each address. The peer is never slowed down: it asks for every group, and
    would take a 429 for a lost site."""

    def __init__(self, app: WSGIApplication, limiter: Limiter) -> None:
        self._app = app
        self._limiter = limiter

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        caller: Caller = environ.get(CALLER, Caller())
        if not caller.is_peer:
            self._limiter.take(caller.user_id or f"address {environ.get('REMOTE_ADDR', '')}")
        return self._app(environ, start_response)
