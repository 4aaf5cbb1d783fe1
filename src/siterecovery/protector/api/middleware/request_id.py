"""Every request has an id: in each answer, each error, each log line, and in the operation it starts.

An id that a caller sends as `X-Openstack-Request-Id` (well-formed only) is logged beside ours and never replaces it.
"""

import contextvars
import re
import uuid
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from siterecovery.protector.api.middleware.respond import REQUEST_ID, with_headers

HEADER = "X-Openstack-Request-Id"
CURRENT: contextvars.ContextVar[str] = contextvars.ContextVar("protector_request_id", default="-")
CALLERS: contextvars.ContextVar[str] = contextvars.ContextVar("protector_global_request_id", default="-")
_WELL_FORMED = re.compile(r"req-[0-9a-f-]{36}")


class RequestId:
    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request_id = f"req-{uuid.uuid4()}"
        environ[REQUEST_ID] = request_id
        CURRENT.set(request_id)
        given = str(environ.get("HTTP_X_OPENSTACK_REQUEST_ID", ""))
        CALLERS.set(given if _WELL_FORMED.fullmatch(given) else "-")
        return self._app(environ, with_headers(start_response, {HEADER: request_id}))
