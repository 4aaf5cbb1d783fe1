"""The error tree of the client. Every error knows the exit code that the command line gives it.

    ProtectorClientError                1
    ├── BadInput                        1   a flag is missing or its value is wrong; nothing was sent
    │   └── UsageError                  2   flags that exclude one another
    ├── AuthenticationFailed            1   the identity service refused the credentials
    ├── EndpointNotFound                1   the catalog of this cloud has no Protector
    ├── ConnectionNotTrusted            1   TLS: the other side could not prove who it is
    ├── SiteUnreachable                 3   no answer: nobody knows whether the call was applied
    ├── OperationFailed                 1   the work was accepted and ended badly
    ├── WaitTimedOut                    1   the work goes on; only the waiting ended
    └── HttpError                       1   the Protector answered with an error
        ├── BadRequest                      400
        ├── Unauthorized                    401
        ├── Forbidden                       403
        ├── NotFound                        404
        ├── NotAcceptable                   406
        ├── Conflict                    4   409
        ├── PreconditionFailed          5   412
        ├── TooManyRequests                 413, 429
        └── ServerError                     5xx
            └── RemoteSiteUnreachable   3   503 with the code remote_site_unreachable

The exit codes are the documented ones of the command line reference.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

REMOTE_SITE_UNREACHABLE = "remote_site_unreachable"


@dataclasses.dataclass(frozen=True)
class ErrorEntry:
    """One entry of an answer's `errors`: an answer may name several unmet preconditions at once."""

    code: str
    detail: str
    remedy: str = ""
    resource: str = ""


class ProtectorClientError(Exception):
    """The root. `remedy` says what to do about it; both are safe to print (no secret ever gets into them)."""

    exit_code = 1

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def lines(self) -> list[str]:
        """The text for a person: what happened, then what to do."""
        return [self.message, *([f"  {self.remedy}"] if self.remedy else [])]


class BadInput(ProtectorClientError):
    pass


class UsageError(BadInput):
    exit_code = 2


class AuthenticationFailed(ProtectorClientError):
    pass


class EndpointNotFound(ProtectorClientError):
    pass


class ConnectionNotTrusted(ProtectorClientError):
    pass


class SiteUnreachable(ProtectorClientError):
    exit_code = 3


class OperationFailed(ProtectorClientError):
    pass


class WaitTimedOut(ProtectorClientError):
    pass


class HttpError(ProtectorClientError):
    """An error answer of the Protector, with each of its entries."""

    def __init__(self, status: int, entries: Sequence[ErrorEntry], request_id: str = "") -> None:
        super().__init__("; ".join(entry.detail for entry in entries))
        self.status = status
        self.entries = tuple(entries)
        self.request_id = request_id

    @property
    def code(self) -> str:
        """The public code of the first entry."""
        return self.entries[0].code

    def lines(self) -> list[str]:
        text: list[str] = []
        for entry in self.entries:
            text.append(entry.detail)
            if entry.remedy:
                text.append(f"  {entry.remedy}")
        if self.request_id and self.status >= 500:
            text.append(f"  Request id for the logs of the server: {self.request_id}")
        return text


class BadRequest(HttpError):
    pass


class Unauthorized(HttpError):
    pass


class Forbidden(HttpError):
    pass


class NotFound(HttpError):
    pass


class NotAcceptable(HttpError):
    pass


class Conflict(HttpError):
    exit_code = 4


class PreconditionFailed(HttpError):
    exit_code = 5


class TooManyRequests(HttpError):
    pass


class ServerError(HttpError):
    pass


class RemoteSiteUnreachable(ServerError):
    exit_code = 3


_BY_STATUS: dict[int, type[HttpError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    406: NotAcceptable,
    409: Conflict,
    412: PreconditionFailed,
    413: TooManyRequests,
    429: TooManyRequests,
}


def from_answer(status: int, body: Any, *, reason: str, request_id: str = "", secrets: Sequence[str] = ()) -> HttpError:
    """The error that an HTTP answer means.

    `body` may be anything, also nothing: a proxy in between answers with a page of its own. `secrets` were part of the
    request; a server that quotes its input must not make us print them.
    """
    entries = _entries(body, secrets) or [ErrorEntry("", f"The server answered {status} {reason}".rstrip())]
    if status == 503 and any(entry.code == REMOTE_SITE_UNREACHABLE for entry in entries):
        return RemoteSiteUnreachable(status, entries, request_id)
    default = ServerError if status >= 500 else HttpError
    return _BY_STATUS.get(status, default)(status, entries, request_id)


def is_from_protector(body: Any) -> bool:
    """Whether an error's body is one that protector-api writes, and not a load balancer's page."""
    return bool(_entries(body, ()))


def _entries(body: Any, secrets: Sequence[str]) -> list[ErrorEntry]:
    listed = body.get("errors") if isinstance(body, Mapping) else None
    if not isinstance(listed, Sequence) or isinstance(listed, str):
        return []
    return [_entry(item, secrets) for item in listed if isinstance(item, Mapping)]


def _entry(item: Mapping[str, Any], secrets: Sequence[str]) -> ErrorEntry:
    def text(key: str) -> str:
        return masked(str(item.get(key) or ""), secrets)

    return ErrorEntry(text("code"), text("detail") or text("title") or text("code"), text("remedy"), text("resource"))


def masked(text: str, secrets: Sequence[str]) -> str:
    """`text` without any of `secrets`."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    return text
