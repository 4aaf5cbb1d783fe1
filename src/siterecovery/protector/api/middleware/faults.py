"""What any inner layer raises becomes an answer; what nobody expected becomes a 500 and a log line that says it is a bug."""

import logging
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from siterecovery.protector.api.middleware.respond import error_answer
from siterecovery.protector.domain.errors import ProtectorError

LOG = logging.getLogger(__name__)


def unexpected() -> ProtectorError:
    return ProtectorError(
        "An unexpected error occurred; nothing is known about its effect.",
        remedy="Look for the request id in protector-api's log and report it: it is a bug.",
    )


class Faults:
    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            return self._app(environ, start_response)
        except ProtectorError as error:
            return error_answer(environ, start_response, error)
        except Exception:  # the caller sees a 500 with the request id, the operator the traceback
            LOG.exception("This is a bug in protector-api, please report it: unexpected error in the middleware")
            return error_answer(environ, start_response, unexpected())
