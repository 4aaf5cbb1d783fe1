"""Where keystoneauth's and the services' errors become `domain.errors`: the only such place of the OpenStack half.

    no connection, no answer in time            CloudUnreachable   nobody knows whether it was applied
    429, 500, 502, 503, 504                     CloudBusy          may work later, nobody knows whether it was applied
    401 also with fresh tokens, no token        TokenRejected
    403                                         CloudForbidden
    404, 410                                    CloudNotFound
    409                                         CloudConflict
    other 4xx, 501, 505, no such endpoint       CloudRefused

A message never contains a token or a password: it is built from the method, the path and what the service said.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

from keystoneauth1 import exceptions as ksa
from requests import RequestException

from siterecovery.protector.domain.errors import (
    CloudBusy,
    CloudConflict,
    CloudError,
    CloudForbidden,
    CloudNotFound,
    CloudRefused,
    CloudUnreachable,
    TokenRejected,
)

TABLE: dict[type[Exception], type[CloudError]] = {
    ksa.ConnectionError: CloudUnreachable,
    ksa.RetriableConnectionFailure: CloudUnreachable,
    ksa.DiscoveryFailure: CloudBusy,
    ksa.InvalidResponse: CloudBusy,
    ksa.HttpServerError: CloudBusy,
    ksa.TooManyRequests: CloudBusy,
    ksa.RequestTimeout: CloudBusy,
    ksa.HttpNotImplemented: CloudRefused,
    ksa.HttpVersionNotSupported: CloudRefused,
    ksa.HTTPClientError: CloudRefused,
    ksa.HttpError: CloudRefused,
    ksa.Forbidden: CloudForbidden,
    ksa.NotFound: CloudNotFound,
    ksa.Gone: CloudNotFound,
    ksa.Conflict: CloudConflict,
    ksa.Unauthorized: TokenRejected,
    ksa.AuthorizationFailure: TokenRejected,
    ksa.AuthPluginException: TokenRejected,
    ksa.MissingAuthMethods: TokenRejected,
    ksa.CatalogException: CloudRefused,
    ksa.ServiceProviderNotFound: CloudRefused,
    ksa.VersionNotAvailable: CloudRefused,
    ksa.ImpliedVersionMismatch: CloudRefused,
    RequestException: CloudUnreachable,
}
"""The nearest ancestor counts. keystoneauth's root is left out on purpose: a new family of errors must be thought about."""

_LONGEST_MESSAGE = 500


def kind_of(error: Exception) -> type[CloudError]:
    """What a foreign error means; CloudError itself for one that nobody has thought about."""
    return next((TABLE[ancestor] for ancestor in type(error).__mro__ if ancestor in TABLE), CloudError)


def translate(error: Exception, *, service: str, action: str) -> CloudError:
    """`service` is the site's and service's name as people say it, `action` the method and path."""
    said = _said(error)
    status = getattr(error, "http_status", None) or None
    numbered = f" (HTTP {status})" if status and f"(HTTP {status})" not in said else ""
    kind = kind_of(error)
    detail = f"{service}: {action}: {said}{numbered}".rstrip(".") + "."
    return kind(detail, service=service, http_status=status, remedy=remedy(kind, said, service))


def remedy(kind: type[CloudError], said: str, service: str) -> str:
    """What a person does about it; empty where what was said has to speak for itself."""
    if issubclass(kind, CloudRefused) and "quota" in said.lower():
        return "Raise the project's quota there or free some, then retry."
    if issubclass(kind, CloudForbidden):
        return f"Check the roles and the policy of {service}, then retry."
    return next((text.format(service) for known, text in _REMEDIES.items() if issubclass(kind, known)), "")


_REMEDIES: dict[type[CloudError], str] = {
    CloudUnreachable: "Check that {} runs and can be reached from here, then retry.",
    CloudBusy: "Look into the log of {}, then retry.",
}


@contextlib.contextmanager
def translated(service: str, action: str) -> Iterator[None]:
    """Calls of keystoneauth inside raise our errors only."""
    try:
        yield
    except (ksa.ClientException, ksa.RetriableConnectionFailure, ksa.ImpliedVersionMismatch, RequestException) as error:
        raise translate(error, service=service, action=action) from error


@contextlib.contextmanager
def authenticating(service: str, actor: str) -> Iterator[None]:
    """Getting a token: whatever Keystone refuses here means that the account or the trust is broken, not that an object is missing
    (it answers 404 for a deleted trust, and 403 when the trustor has lost a delegated role)."""
    try:
        with translated(service, f"token for {actor}"):
            yield
    except CloudRefused as error:
        raise TokenRejected(error.detail, service=service, http_status=error.http_status) from error


def retry_after(error: CloudError) -> float | None:
    """Seconds the service asked us to wait; its date form is not used by OpenStack."""
    response = getattr(error.__cause__, "response", None)
    text = response.headers.get("Retry-After", "") if response is not None else ""
    try:
        return max(0.0, float(text))
    except ValueError:
        return None


def _said(error: Exception) -> str:
    response = getattr(error, "response", None)
    if response is not None:
        try:
            found = _message(response.json())
        except ValueError:
            found = response.text
        if found:
            return found[:_LONGEST_MESSAGE]
    return str(error)[:_LONGEST_MESSAGE] or type(error).__name__


def _message(body: Any) -> str:
    """The sentence in an error body: each service wraps it in a key of its own (`conflictingRequest`, `NeutronError`, `error`, …)."""
    if isinstance(body, dict):
        direct = body.get("message") or body.get("detail")
        if isinstance(direct, str):
            return direct
        return next((text for text in map(_message, body.values()) if text), "")
    if isinstance(body, list):
        return next((text for text in map(_message, body) if text), "")
    return ""
