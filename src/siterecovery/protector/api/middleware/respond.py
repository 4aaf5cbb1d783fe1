"""How a layer answers by itself: errors in the API's own shape, and headers added to what comes from inside."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from siterecovery.protector.api import errors
from siterecovery.protector.domain.errors import ProtectorError

REQUEST_ID = "protector.request_id"
CALLER = "protector.caller"
VERSION = "protector.microversion"
ROUTE = "protector.route"

_REASONS = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    406: "Not Acceptable",
    413: "Content Too Large",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


def error_answer(
    environ: WSGIEnvironment,
    start_response: StartResponse,
    error: ProtectorError,
    headers: Mapping[str, str] | None = None,
) -> Iterable[bytes]:
    text = json.dumps(errors.body(error, environ.get(REQUEST_ID, ""))).encode()
    fields = {"Content-Type": "application/json", "Content-Length": str(len(text))}
    fields |= errors.headers(error) | dict(headers or {})
    start_response(f"{error.status} {_REASONS.get(error.status, 'Error')}", list(fields.items()))
    return [text]


def with_headers(start_response: StartResponse, headers: Mapping[str, str]) -> StartResponse:
    """A `start_response` that adds these headers, unless the inside has set them already."""

    def start(status: str, fields: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
        present = {name.lower() for name, _ in fields}
        added = [(name, value) for name, value in headers.items() if name.lower() not in present]
        return start_response(status, fields + added, exc_info)

    return start
