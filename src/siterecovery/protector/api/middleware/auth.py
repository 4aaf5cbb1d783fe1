"""Tokens are checked by keystonemiddleware's auth_token; its refusals are told in the API's own shape.

Only here are its `X-…` headers read: auth_token removes whatever a caller has sent under these names. Public paths do not pass through it
and have no caller.
"""

from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from siterecovery.protector.api.call import Caller
from siterecovery.protector.api.errors import KeystoneUnavailable, Unauthorized
from siterecovery.protector.api.middleware.limits import Limiter
from siterecovery.protector.api.middleware.respond import CALLER, error_answer
from siterecovery.protector.domain.errors import ProtectorError

_PASSED = "protector.token_confirmed"

TokenCheck = Callable[[WSGIApplication], WSGIApplication]
"""Wraps an application so that only requests with a confirmed token reach it: `keystonemiddleware.auth_token.AuthProtocol`."""


class Auth:
    """`failures` bounds how often an address may come with a bad token: each costs a call to Keystone."""

    def __init__(
        self, app: WSGIApplication, check: TokenCheck, is_public: Callable[[str], bool], failures: Limiter
    ) -> None:
        self._app = app
        self._protected = check(self._confirmed)
        self._is_public = is_public
        self._failures = failures

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if self._is_public(str(environ.get("PATH_INFO", ""))):
            return self._app(environ, start_response)
        address = str(environ.get("REMOTE_ADDR", ""))
        self._failures.check(address)
        held: list[tuple[str, list[tuple[str, str]]]] = []

        def start(status: str, fields: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
            if _PASSED in environ:
                return start_response(status, fields, exc_info)
            held.append((status, fields))
            return lambda data: None

        body = self._protected(environ, start)
        if not held:
            return body
        status, fields = held[-1]
        challenge = {name: value for name, value in fields if name.lower() == "www-authenticate"}
        if status.startswith("401"):
            self._failures.take(address)
        return error_answer(environ, start_response, _refusal(status), challenge)

    def _confirmed(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ[_PASSED] = True
        environ[CALLER] = Caller(
            user_id=environ.get("HTTP_X_USER_ID"),
            user_name=environ.get("HTTP_X_USER_NAME"),
            project_id=environ.get("HTTP_X_PROJECT_ID"),
            roles=frozenset(
                role.strip().lower() for role in environ.get("HTTP_X_ROLES", "").split(",") if role.strip()
            ),
            token=environ.get("HTTP_X_AUTH_TOKEN", ""),
        )
        return self._app(environ, start_response)


def _refusal(status: str) -> ProtectorError:
    if status.startswith("401"):
        return Unauthorized(
            "The request has no token, or one that Keystone does not accept.",
            remedy="Authenticate to this site's Keystone and send the token as X-Auth-Token.",
        )
    return KeystoneUnavailable(
        "The token cannot be checked: this site's Keystone does not answer.", remedy="Try again when it is back."
    )
