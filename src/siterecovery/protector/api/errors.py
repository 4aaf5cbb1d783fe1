"""The errors only HTTP knows, and how every error looks on the wire (the OpenStack API guideline's `errors` list).

ProtectorError (domain)
├── Unauthorized        401   no token, or one that Keystone does not know
├── MethodNotAllowed    405
├── NotAcceptable       406   a microversion this API does not speak
├── TooLarge            413
├── TooManyRequests     429   carries the seconds after which to retry
├── NotAvailable        501   the operation is known, this release cannot run it
└── KeystoneUnavailable 503   the token cannot be checked now

Codes are public: never change the meaning of one, never reuse one. docs/reference/rest-api.md and the handlers' docstrings list them.
"""

from typing import Any

from siterecovery.protector.domain.errors import PreconditionFailed, ProtectorError
from siterecovery.protector.domain.mappings import Unresolved


class Unauthorized(ProtectorError):
    status, code, title = 401, "unauthorized", "Unauthorized"


class MethodNotAllowed(ProtectorError):
    status, code, title = 405, "method_not_allowed", "Method not allowed"


class NotAcceptable(ProtectorError):
    status, code, title = 406, "microversion.unknown", "Not acceptable"


class TooLarge(ProtectorError):
    status, code, title = 413, "request_too_large", "Request too large"


class TooManyRequests(ProtectorError):
    """`retry_after` in seconds."""

    status, code, title = 429, "rate_limited", "Too many requests"

    def __init__(self, detail: str, *, retry_after: int) -> None:
        super().__init__(detail, remedy=f"Try again in {retry_after} s.")
        self.retry_after = retry_after


class NotAvailable(ProtectorError):
    status, code, title = 501, "not_available", "Not available"


class KeystoneUnavailable(ProtectorError):
    status, code, title = 503, "keystone_unavailable", "Keystone unavailable"


def body(error: ProtectorError, request_id: str) -> dict[str, Any]:
    """One entry an error; one for each unmet precondition."""
    common = {"status": error.status, "title": error.title, "request_id": request_id}
    if not isinstance(error, PreconditionFailed):
        return {"errors": [{**common, "code": error.code, "detail": error.detail, "remedy": error.remedy}]}
    return {"errors": [{**common, **_entry(item)} for item in error.unmet]}


def _entry(item: Any) -> dict[str, str]:
    entry = {"code": item.code, "detail": item.detail, "remedy": item.remedy}
    return entry | {"resource": item.resource} if isinstance(item, Unresolved) else entry


def headers(error: ProtectorError) -> dict[str, str]:
    """`Retry-After` in seconds: also where the database or Keystone is away for a while."""
    if isinstance(error, TooManyRequests):
        return {"Retry-After": str(error.retry_after)}
    return {"Retry-After": "5"} if error.status == 503 else {}
