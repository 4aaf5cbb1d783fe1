"""What a simulated service answers when it refuses, and how each service writes that down.

ApiError (500)
├── BadRequest (400)   ├── Unauthorized (401)   ├── Forbidden (403)    ├── NotFound (404)
├── NotAllowed (405)   ├── NotAcceptable (406)  ├── Conflict (409)     ├── OverLimit (413)
└── Unavailable (503)
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus


class ApiError(Exception):
    """A refusal; `message` is for the user, `kind` is the exception name that Neutron puts into its answer."""

    status = 500

    def __init__(self, message: str, kind: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.kind = kind or type(self).__name__


class BadRequest(ApiError):
    """The request makes no sense, or the thing is in no state for it (Cinder)."""

    status = 400


class Unauthorized(ApiError):
    """Nobody known is asking."""

    status = 401


class Forbidden(ApiError):
    """Policy or quota says no."""

    status = 403


class NotFound(ApiError):
    """There is no such thing, or not for this project."""

    status = 404


class NotAllowed(ApiError):
    """The path exists, the method does not."""

    status = 405


class NotAcceptable(ApiError):
    """The microversion does not exist here."""

    status = 406


class Conflict(ApiError):
    """The thing is in no state for it, is locked, or exists already."""

    status = 409


class OverLimit(ApiError):
    """A quota of Cinder is used up."""

    status = 413


class Unavailable(ApiError):
    """The service knows that it cannot answer now."""

    status = 503


_FAULT_NAMES: Mapping[int, str] = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    409: "conflictingRequest",
    413: "overLimit",
    503: "serviceUnavailable",
}
_NEEDS_AUTHENTICATION = "The request you have made requires authentication."


def render(service: str, error: ApiError) -> object:
    """The JSON body of a refusal as this service shapes it."""
    if service == "identity" or error.status == 401:
        title = HTTPStatus(error.status).phrase
        message = _NEEDS_AUTHENTICATION if error.status == 401 else error.message
        return {"error": {"code": error.status, "message": message, "title": title}}
    if service in ("compute", "volume"):
        name = _FAULT_NAMES.get(error.status, "computeFault")
        return {name: {"code": error.status, "message": error.message}}
    if service == "network":
        return {"NeutronError": {"type": error.kind, "message": error.message, "detail": ""}}
    title = HTTPStatus(error.status).phrase
    return {"errors": [{"status": error.status, "title": title, "detail": error.message}]}
