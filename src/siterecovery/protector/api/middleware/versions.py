"""Microversion negotiation: decided before authentication, so that every answer, a refusal too, says which version it speaks."""

from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from siterecovery.protector.api.microversion import HEADER, LOWEST, SERVICE, negotiate
from siterecovery.protector.api.middleware.respond import VERSION, error_answer, with_headers
from siterecovery.protector.domain.errors import ProtectorError


class Versions:
    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            version = negotiate(environ.get("HTTP_OPENSTACK_API_VERSION"))
        except ProtectorError as error:
            return error_answer(environ, with_headers(start_response, _headers(str(LOWEST))), error)
        environ[VERSION] = version
        return self._app(environ, with_headers(start_response, _headers(str(version))))


def _headers(version: str) -> dict[str, str]:
    return {HEADER: f"{SERVICE} {version}", "Vary": HEADER}
