"""From a route and a request to an answer: read, authorise, call the handler, write. The only place that knows the HTTP framework's request."""

import json
import logging
from collections.abc import Callable
from typing import Any

import falcon
from pydantic import BaseModel, ValidationError

from siterecovery.protector.api import audit, errors, microversion
from siterecovery.protector.api.call import Answer, Call, Caller
from siterecovery.protector.api.middleware.faults import unexpected
from siterecovery.protector.api.middleware.respond import CALLER, REQUEST_ID, ROUTE, VERSION
from siterecovery.protector.api.permissions import Permissions, check_project
from siterecovery.protector.api.routes import Route
from siterecovery.protector.api.schemas.action import Action
from siterecovery.protector.api.schemas.base import Empty, bad_request
from siterecovery.protector.api.services import Services
from siterecovery.protector.domain.errors import BadRequest, NotFound, ProtectorError

LOG = logging.getLogger(__name__)

Responder = Callable[..., None]


def responder(route: Route, services: Services, permissions: Permissions) -> Responder:
    def respond(request: falcon.Request, response: falcon.Response, **params: str) -> None:
        request.env[ROUTE] = route.path
        call = _call(route, services, request, params)
        _perform(route, permissions, call, request, response)

    return respond


def _perform(
    route: Route, permissions: Permissions, call: Call, request: falcon.Request, response: falcon.Response
) -> None:
    error: ProtectorError | None = None
    try:
        _authorise(route, permissions, call)
        call = _read(route, call, request)
        _authorise_action(route, permissions, call)
        write(response, route.handler(call))
    except ProtectorError as raised:
        error = raised
        write_error(response, raised, call.request_id)
        if raised.status >= 500:
            LOG.warning("%s %s was answered %s: %s", route.method, route.path, raised.status, raised.detail)
    except Exception:  # the caller sees a 500 with the request id, the operator the traceback
        LOG.exception("This is a bug in protector-api, please report it: %s %s", route.method, route.path)
        error = unexpected()
        write_error(response, error, call.request_id)
    if route.rule is not None and route.method not in ("GET", "HEAD"):
        audit.record(call, route.method, route.rule, int(response.status_code), error)


def _call(route: Route, services: Services, request: falcon.Request, params: dict[str, str]) -> Call:
    return Call(
        services=services,
        caller=request.env.get(CALLER, Caller()),
        params=params,
        version=request.env.get(VERSION, microversion.LOWEST),
        request_id=request.env.get(REQUEST_ID, ""),
        url=request.prefix + request.path,
    )


def _authorise(route: Route, permissions: Permissions, call: Call) -> None:
    if route.rule is None:
        return
    project_id = call.params.get("project_id")
    exempt = route.for_peer and call.caller.is_peer
    if project_id is not None and not exempt:
        check_project(call.caller, project_id)
    permissions.check(route.rule, call.caller, project_id)


def _authorise_action(route: Route, permissions: Permissions, call: Call) -> None:
    """Each action has a rule of its own: which one it is stands in the body."""
    if isinstance(call.body, Action):
        permissions.check(f"protector:action:{call.body.key}", call.caller, call.project_id)


def _read(route: Route, call: Call, request: falcon.Request) -> Call:
    values: dict[str, Any] = {}
    try:
        if route.query is not None:
            values["query"] = route.query.model_validate(request.params)
        elif request.params:
            raise BadRequest("This request takes no query parameters.", code="query.invalid")
    except ValidationError as error:
        raise bad_request(error, "query") from error
    if route.method not in ("GET", "DELETE"):
        values["body"] = _body(route.body or Empty, request)
    return Call(**{**_fields(call), **values})


def _fields(call: Call) -> dict[str, Any]:
    return {name: getattr(call, name) for name in call.__dataclass_fields__}


def _body(model: type[BaseModel], request: falcon.Request) -> BaseModel:
    text = request.bounded_stream.read()
    if not text.strip():
        text = b"{}"
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        if any(item["type"] == "json_invalid" for item in error.errors(include_input=False)):
            raise BadRequest("The body is not JSON.", code="body.malformed", remedy="Send a JSON object.") from error
        raise bad_request(error, "body") from error


def write(response: falcon.Response, answer: Answer) -> None:
    response.status = answer.status
    response.set_headers(dict(answer.headers))
    if answer.body is not None:
        response.content_type = answer.content_type
    if isinstance(answer.body, bytes):
        response.data = answer.body
    elif answer.body is not None:
        response.data = json.dumps(answer.body).encode()


def write_error(response: falcon.Response, error: ProtectorError, request_id: str) -> None:
    headers = errors.headers(error)
    write(response, Answer(errors.body(error, request_id), error.status, headers=headers))


def translate(request: falcon.Request, response: falcon.Response, error: Exception, params: Any) -> None:
    """What the framework itself refuses: an unknown path, a method that a path does not have, an unreadable query."""
    found: ProtectorError
    if isinstance(error, falcon.HTTPMethodNotAllowed):
        found = errors.MethodNotAllowed(f"{request.method} is not allowed on this path.")
        response.set_headers(error.headers or {})
    elif isinstance(error, falcon.HTTPNotFound):
        found = NotFound("No such path.", code="path.not_found", remedy="See GET /v1/openapi.json.")
    elif isinstance(error, falcon.HTTPError) and error.status_code < 500:
        found = BadRequest(error.title or "The request cannot be read.", code="request.malformed")
    else:
        LOG.error("This is a bug in protector-api, please report it", exc_info=error)
        found = unexpected()
    write_error(response, found, request.env.get(REQUEST_ID, ""))
