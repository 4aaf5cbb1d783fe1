"""The OpenAPI 3.1 document, from the route table and the pydantic models."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from siterecovery.protector.api.microversion import HEADER, HIGHEST, LOWEST, SERVICE

if TYPE_CHECKING:
    from siterecovery.protector.api.routes import Route

_REF = "#/components/schemas/{model}"
_ERRORS = {
    400: "The request does not have the right shape",
    401: "No token, or a bad one",
    403: "Policy, or the path's project is not the token's",
    404: "Unknown, or another tenant's",
    406: "Unknown microversion",
    409: "State or operation conflict",
    412: "Unmet preconditions, one entry each",
    413: "Request too large",
    429: "Too many requests",
    500: "A bug",
    501: "This release cannot run the operation",
    502: "A cloud or array call failed",
    503: "The other site, the database or Keystone does not answer",
}


def document(routes: Iterable["Route"]) -> dict[str, Any]:
    routes = list(routes)
    inputs = {model for route in routes for model in (route.body,) if model}
    outputs = {route.answer for route in routes if route.answer}
    pairs: list[Any] = [(model, "validation") for model in sorted(inputs, key=_name)]
    pairs += [(model, "serialization") for model in sorted(outputs, key=_name)]
    refs, definitions = models_json_schema(pairs, ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, refs)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Protector: disaster recovery for OpenStack VMs",
            "version": str(HIGHEST),
            "description": f"Microversions {LOWEST} to {HIGHEST} in the header '{HEADER}: {SERVICE} X.Y'.",
        },
        "paths": paths,
        "components": {
            "schemas": {**definitions.get("$defs", {}), "Errors": _errors_schema()},
            "securitySchemes": {"token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"}},
        },
    }


def _name(model: type[BaseModel]) -> str:
    return model.__name__


def _operation(route: "Route", refs: Any) -> dict[str, Any]:
    answers: dict[str, Any] = {str(route.status): {"description": _summary(route)}}
    if route.answer is not None:
        answers[str(route.status)]["content"] = _json(refs[(route.answer, "serialization")])
    if route.rule is not None:
        shape = {"$ref": "#/components/schemas/Errors"}
        answers |= {str(code): {"description": text, "content": _json(shape)} for code, text in _ERRORS.items()}
    shown: dict[str, Any] = {
        "operationId": route.handler.__name__,
        "summary": _summary(route),
        "tags": [route.handler.__module__.rpartition(".")[2]],
        "parameters": [*_path_parameters(route), *_query_parameters(route)],
        "responses": answers,
        "security": [{"token": []}] if route.rule else [],
    }
    if route.rule:
        shown["x-policy-rule"] = route.rule
    if route.body is not None:
        shown["requestBody"] = {"required": True, "content": _json(refs[(route.body, "validation")])}
    return shown


def _summary(route: "Route") -> str:
    said = (route.handler.__doc__ or route.handler.__name__.replace("_", " ").capitalize()).strip()
    return said.splitlines()[0]


def _json(schema: Any) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _path_parameters(route: "Route") -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", route.path)
    ]


def _query_parameters(route: "Route") -> list[dict[str, Any]]:
    if route.query is None:
        return []
    schema = route.query.model_json_schema()
    shapes = schema["properties"]
    return [
        {"name": name, "in": "query", "required": False, "schema": _inlined(shape, schema.get("$defs", {}))}
        for name, shape in shapes.items()
    ]


def _inlined(shape: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(shape, dict):
        if "$ref" in shape:
            return _inlined(definitions[shape["$ref"].rpartition("/")[2]], definitions)
        return {key: _inlined(value, definitions) for key, value in shape.items()}
    return [_inlined(item, definitions) for item in shape] if isinstance(shape, list) else shape


def _errors_schema() -> dict[str, Any]:
    text = {"type": "string"}
    entry = {
        "type": "object",
        "required": ["status", "code", "title", "detail", "request_id", "remedy"],
        "properties": {
            "status": {"type": "integer"},
            **dict.fromkeys(("code", "title", "detail", "remedy", "request_id", "resource"), text),
        },
    }
    return {
        "type": "object",
        "required": ["errors"],
        "properties": {"errors": {"type": "array", "minItems": 1, "items": entry}},
    }
