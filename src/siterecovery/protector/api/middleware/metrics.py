"""Counts and times of requests by route, for `GET /metrics`. Label values come from the route table, never from a caller."""

import time
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from prometheus_client import CollectorRegistry, Counter, Histogram

from siterecovery.protector.api.middleware.respond import ROUTE

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    def __init__(self, app: WSGIApplication, registry: CollectorRegistry) -> None:
        self._app = app
        self._requests = Counter(
            "protector_api_requests", "Requests answered", ["method", "route", "status"], registry=registry
        )
        self._seconds = Histogram(
            "protector_api_request_seconds", "Time to the answer in seconds", ["method", "route"], registry=registry
        )

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        began = time.monotonic()

        def start(status: str, fields: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
            method = str(environ.get("REQUEST_METHOD", ""))
            method = method if method in _METHODS else "other"
            route = environ.get(ROUTE, "none")
            self._requests.labels(method, route, status[:3]).inc()
            self._seconds.labels(method, route).observe(time.monotonic() - began)
            return start_response(status, fields, exc_info)

        return self._app(environ, start)
