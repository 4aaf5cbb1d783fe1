"""The error tree of Protector. Each error has a stable public code, an HTTP status and a remedy.

ProtectorError                      500
├── NotFound                        404   unknown, or another tenant's
├── Forbidden                       403
├── BadRequest                      400
├── Conflict                        409   state or operation conflict
│   └── StaleRow                    409   somebody else changed the row since it was read
├── PreconditionFailed              412   carries all unmet preconditions
├── RemoteSiteUnreachable           503
└── CloudError                      502   an OpenStack service or an array, translated at the border
    ├── CloudUnreachable                  no answer: nobody knows whether the call was applied
    ├── CloudBusy                         5xx, 429: may work later, nobody knows whether it was applied
    ├── CloudRefused                      4xx: it will not do it
    │   ├── CloudForbidden                policy
    │   ├── CloudNotFound
    │   └── CloudConflict                 the thing is in a state that refuses it
    └── TokenRejected                     401 also with fresh tokens: trust or password broken
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Unmet:
    """One unmet precondition: what, and what to do about it."""

    code: str
    detail: str
    remedy: str = ""


class ProtectorError(Exception):
    """The root. `code` is public and never changes its meaning; `detail` is a full sentence."""

    status = 500
    code = "internal_error"
    title = "Internal error"

    def __init__(self, detail: str, *, code: str | None = None, remedy: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.remedy = remedy
        if code is not None:
            self.code = code

    @property
    def sentence(self) -> str:
        """What happened and what to do about it, for a record that has room for one text."""
        return f"{self.detail} {self.remedy}".strip()


class NotFound(ProtectorError):
    status, code, title = 404, "not_found", "Not found"


class Forbidden(ProtectorError):
    status, code, title = 403, "forbidden", "Forbidden"


class BadRequest(ProtectorError):
    status, code, title = 400, "bad_request", "Bad request"


class Conflict(ProtectorError):
    status, code, title = 409, "conflict", "Conflict"


class StaleRow(Conflict):
    code = "stale_row"


class PreconditionFailed(ProtectorError):
    """One or more preconditions are unmet: all of them are told at once."""

    status, code, title = 412, "precondition_failed", "Precondition failed"

    def __init__(self, unmet: "list[Unmet]") -> None:
        super().__init__("; ".join(item.detail for item in unmet), code=unmet[0].code if unmet else None)
        self.unmet = tuple(unmet)


class RemoteSiteUnreachable(ProtectorError):
    status, code, title = 503, "remote_site_unreachable", "Remote site unreachable"


class CloudError(ProtectorError):
    """An OpenStack service or an array. `site` and `service` say whose answer it is; `http_status` is theirs, if any."""

    status, code, title = 502, "cloud_error", "A cloud or array call failed"

    def __init__(self, detail: str, *, service: str = "", http_status: int | None = None, remedy: str = "") -> None:
        super().__init__(detail, remedy=remedy)
        self.service = service
        self.http_status = http_status


class CloudUnreachable(CloudError):
    code = "cloud_unreachable"


class CloudBusy(CloudError):
    code = "cloud_busy"


class CloudRefused(CloudError):
    code = "cloud_refused"


class CloudForbidden(CloudRefused):
    code = "cloud_forbidden"


class CloudNotFound(CloudRefused):
    code = "cloud_not_found"


class CloudConflict(CloudRefused):
    code = "cloud_conflict"


class TokenRejected(CloudError):
    code = "token_rejected"
