"""Where httpx's and the array's errors become `domain.errors`: the only such place for arrays.

    no connection, no answer in time                     CloudUnreachable
    429, any 5xx, half an answer                         CloudBusy
    401 also after fresh logins                          TokenRejected
    403                                                  CloudForbidden
    400 "does not exist", "No such …", "could not be found"     CloudNotFound
    400 "already …", "has been destroyed", "in use", "existing connections"     CloudConflict
    any other 400, 404 (path), 415                       CloudRefused

The array answers 400 for every mistake, so its English sentence is all there is to tell them apart.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import httpx

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
    httpx.TransportError: CloudUnreachable,
    httpx.UnsupportedProtocol: CloudRefused,
    httpx.LocalProtocolError: CloudRefused,
    httpx.DecodingError: CloudBusy,
    httpx.TooManyRedirects: CloudRefused,
    httpx.InvalidURL: CloudRefused,
}
"""The nearest ancestor counts. `httpx.StreamError` is missing on purpose: only a mistake of ours raises it."""

ABSENT = ("does not exist", "no such volume or snapshot", "could not be found")
CONFLICT = ("already", "has been destroyed", "in use", "existing connections", "is not connected")
_LONGEST_MESSAGE = 500
_REACH = "Check that the array's management address can be reached from here, then retry."
_LOOK = "Look at the array's alerts, then retry."


def kind_of(error: Exception) -> type[CloudError]:
    """What a foreign error means."""
    return next((TABLE[ancestor] for ancestor in type(error).__mro__ if ancestor in TABLE), CloudError)


@contextlib.contextmanager
def translated(array: str, action: str) -> Iterator[None]:
    """Calls of httpx inside raise our errors only. `array` is the URL, which holds no secret."""
    try:
        yield
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        said = str(error)[:_LONGEST_MESSAGE] or type(error).__name__
        raise kind_of(error)(f"Array {array}: {action}: {said}", service=array, remedy=_REACH) from error


def refusal(array: str, action: str, response: httpx.Response) -> CloudError:
    """The error for an answer of 400 and above."""
    sentences = _sentences(response)
    status = response.status_code
    said = "; ".join(sentences)[:_LONGEST_MESSAGE] or response.reason_phrase
    return _kind(status, sentences)(
        f"Array {array}: {action}: {said} (HTTP {status})", service=array, http_status=status, remedy=_remedy(status)
    )


def _remedy(status: int) -> str:
    if status in (401, 403):
        return "Give the policy an API token of a user with the storage_admin role, then retry."
    return _LOOK if status == 429 or status >= 500 else ""


def _kind(status: int, sentences: Sequence[str]) -> type[CloudError]:
    if status == 429 or status >= 500:
        return CloudBusy
    if status == 401:
        return TokenRejected
    if status == 403:
        return CloudForbidden
    if status == 400:
        said = [sentence.lower() for sentence in sentences]
        if said and all(any(text in sentence for text in ABSENT) for sentence in said):
            return CloudNotFound
        if any(text in sentence for sentence in said for text in CONFLICT):
            return CloudConflict
    return CloudRefused


def _sentences(response: httpx.Response) -> list[str]:
    """Both shapes of body: `errors[]` of the array and `{"message"}` of its gateway; a proxy's text as it is."""
    try:
        body: Any = response.json()
    except ValueError:
        return [response.text.strip()] if response.text.strip() else []
    errors = body.get("errors") if isinstance(body, dict) else None
    if isinstance(errors, list):
        return [_sentence(entry) for entry in errors if isinstance(entry, dict)]
    message = body.get("message") if isinstance(body, dict) else None
    return [str(message)] if message else []


def _sentence(entry: dict[str, Any]) -> str:
    context, message = entry.get("context"), entry.get("message") or "no reason given"
    return f"{context}: {message}" if context else str(message)
