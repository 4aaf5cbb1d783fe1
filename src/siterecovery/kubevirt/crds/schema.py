"""From a model to the structural schema an API server takes: no references, no unions, no titles; rules and list types in place."""

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel

from siterecovery.kubevirt.crds.base import Column, Kind, Model

_DROPPED = frozenset({"title", "const", "additionalProperties"})


def definition(kind: type[Kind]) -> dict[str, Any]:
    """The whole CustomResourceDefinition."""
    resource = kind.resource
    names = {
        "plural": resource.plural,
        "singular": resource.kind.lower(),
        "kind": resource.kind,
        "listKind": f"{resource.kind}List",
        "shortNames": list(kind.short_names),
        "categories": ["site-recovery"],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{resource.plural}.{resource.group}"},
        "spec": {"group": resource.group, "names": names, "scope": "Namespaced", "versions": [_version(kind)]},
    }


def _version(kind: type[Kind]) -> dict[str, Any]:
    schema = {
        "description": kind.about,
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": structural(_model(kind, "spec")),
            "status": structural(_model(kind, "status")),
        },
    }
    return {
        "name": kind.resource.version,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": [_column(column) for column in kind.columns],
        "schema": {"openAPIV3Schema": schema},
    }


def _model(kind: type[Kind], part: str) -> type[Model]:
    found = kind.model_fields[part].annotation
    if not (isinstance(found, type) and issubclass(found, Model)):
        raise TypeError(f"{kind.__name__}.{part} is not a model")
    return found


def _column(column: Column) -> dict[str, Any]:
    made: dict[str, Any] = {"name": column.name, "type": column.type, "jsonPath": column.path}
    return made | {"priority": 1} if column.wide else made


def structural(model: type[Model]) -> dict[str, Any]:
    """Pydantic's schema, made structural. The rules are read from the models, which a JSON schema knows nothing of."""
    whole = model.model_json_schema(by_alias=True, mode="validation")
    made: dict[str, Any] = _plain(whole, whole.get("$defs", {}), _rules_by_name(model))
    return made


def _rules_by_name(model: type[BaseModel]) -> dict[str, list[dict[str, str]]]:
    """The rules of the model and of all it holds, by the name under which the schema defines it (the title)."""
    found: dict[str, list[dict[str, str]]] = {}
    ahead: list[Any] = [model]
    seen: set[Any] = set()
    while ahead:
        this = ahead.pop()
        if this in seen:
            continue
        seen.add(this)
        ahead += get_args(this)
        if isinstance(this, type) and issubclass(this, Model):
            ahead += [field.annotation for field in this.model_fields.values()]
            if this.rules:
                found[this.__name__] = [{"rule": rule.cel, "message": rule.message} for rule in this.rules]
    return found


def _plain(node: Any, models: Mapping[str, Any], rules: Mapping[str, Any]) -> Any:
    if not isinstance(node, dict):
        return node
    node = _resolved(_without_null(node), models)
    made = {key: value for key, value in node.items() if key not in _DROPPED and key not in ("$defs", "properties")}
    if made.get("default") is None or made.get("default") in ([], {}):
        made.pop("default", None)
    if isinstance(extra := node.get("additionalProperties"), dict):
        made["additionalProperties"] = _plain(extra, models, rules)
    if "items" in made:
        made["items"] = _plain(made["items"], models, rules)
    if "properties" in node:
        made["properties"] = {name: _plain(value, models, rules) for name, value in node["properties"].items()}
        if found := rules.get(node.get("title", "")):
            made["x-kubernetes-validations"] = found
    if made.get("type") == "integer":
        made["format"] = "int64"
    return made


def _resolved(node: dict[str, Any], models: Mapping[str, Any]) -> dict[str, Any]:
    """What the reference stands for, with what stands beside it; the docstrings of models are for us, a field's own description for users."""
    if "$ref" not in node:
        return node
    beside = {key: value for key, value in node.items() if key != "$ref"}
    return {**models[node["$ref"].rpartition("/")[2]], **beside}


def _without_null(node: dict[str, Any]) -> dict[str, Any]:
    """`X | None` means that the field may be absent: the server need not know null."""
    if "anyOf" not in node:
        return node
    (only,) = [choice for choice in node["anyOf"] if choice.get("type") != "null"]
    return {**only, **{key: value for key, value in node.items() if key != "anyOf"}}
