"""The one table from foreign errors to ours."""

import keystoneauth1.exceptions
import pytest
import requests
from keystoneauth1 import exceptions as ksa

from siterecovery.protector.clouds.errors import authenticating, kind_of, translate, translated
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

FOREIGN = sorted(
    {
        error
        for error in vars(keystoneauth1.exceptions).values()
        if isinstance(error, type) and issubclass(error, Exception) and error is not ksa.ClientException
    },
    key=lambda error: error.__name__,
)


@pytest.mark.parametrize("foreign", FOREIGN)
def test_every_keystoneauth_error_is_mapped(foreign: type[Exception]) -> None:
    """A new release of keystoneauth with a new family of errors fails here, until somebody has thought about it."""
    assert kind_of(foreign.__new__(foreign)) is not CloudError


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, CloudRefused),
        (401, TokenRejected),
        (403, CloudForbidden),
        (404, CloudNotFound),
        (409, CloudConflict),
        (410, CloudNotFound),
        (413, CloudRefused),
        (429, CloudBusy),
        (500, CloudBusy),
        (501, CloudRefused),
        (502, CloudBusy),
        (503, CloudBusy),
        (504, CloudBusy),
        (599, CloudBusy),
    ],
)
def test_status_decides_the_kind(status: int, kind: type[CloudError]) -> None:
    """Each HTTP status means one thing, and stays readable in the error."""
    response = requests.Response()
    response.status_code = status
    response._content = b'{"conflictingRequest": {"message": "Cannot do that."}}'
    response.headers["Content-Type"] = "application/json"
    error = translate(ksa.from_response(response, "POST", "http://cloud"), service="Nova on site b", action="POST /x")
    assert type(error) is kind
    assert error.http_status == status
    assert "Nova on site b: POST /x: Cannot do that." in error.detail


@pytest.mark.parametrize(
    "body",
    [
        b'{"NeutronError": {"type": "X", "message": "the words", "detail": ""}}',
        b'{"error": {"code": 403, "message": "the words", "title": "Forbidden"}}',
        b'{"badRequest": {"code": 400, "message": "the words"}}',
        b'{"errors": [{"status": 400, "detail": "the words"}]}',
        b"the words",
    ],
)
def test_each_services_own_shape_of_body_is_read(body: bytes) -> None:
    """What the service said reaches the message, however it wraps it."""
    response = requests.Response()
    response.status_code = 400
    response._content = body
    assert "the words" in translate(ksa.from_response(response, "GET", "u"), service="s", action="a").detail


def test_broken_connections_are_unreachable() -> None:
    """Errors that requests raises outside keystoneauth's own net are translated as well."""
    with pytest.raises(CloudUnreachable), translated("Nova", "GET /x"):
        raise requests.exceptions.ChunkedEncodingError("half an answer")


@pytest.mark.parametrize("foreign", [ksa.Unauthorized, ksa.Forbidden, ksa.NotFound])
def test_whatever_keystone_refuses_while_authenticating_is_a_rejected_token(foreign: type[ksa.HttpError]) -> None:
    """A deleted trust is a 404, a lost role a 403: both mean that the delegation is broken."""
    with pytest.raises(TokenRejected), authenticating("Keystone", "the delegation of project p"):
        raise foreign("no")


def test_an_unreachable_keystone_is_not_a_rejected_token() -> None:
    """No answer says nothing about the trust."""
    with pytest.raises(CloudUnreachable), authenticating("Keystone", "service user"):
        raise ksa.ConnectFailure("refused")
