"""Domain values for tests of the store: every field filled, so that a forgotten column shows."""

import dataclasses
import enum
import itertools
import types
import typing
from typing import Any, TypeVar

from siterecovery.protector.domain.operation import Operation
from siterecovery.protector.domain.protection_group import ProtectionGroup
from siterecovery.protector.domain.secret import Secret
from siterecovery.protector.domain.states import OperationType

T = TypeVar("T")
MOMENT = "2026-01-02T03:04:05Z"
_numbers = itertools.count(1)


def filled(kind: type[T], **given: Any) -> T:
    """A `kind` in which no field has its default; `given` wins."""
    hints = typing.get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
    return kind(**{name: given.get(name, _value(hints[name], name)) for name in names})


def operation(id: str, **given: Any) -> Operation:
    """A new operation, as the API accepts it."""
    given = {"group_id": "g1", "project_id": "p1", "type": OperationType.FAILOVER} | given
    return Operation(id, **given)


def group(id: str, **given: Any) -> ProtectionGroup:
    given = {"name": f"name-{id}", "project_id": "p1", "volume_type": "fast", "secondary_volume_type": "fast"} | given
    return ProtectionGroup(id, primary_site_id="s1", secondary_site_id="s2", current_primary_site_id="s1", **given)


def _value(hint: Any, name: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _value(next(a for a in arguments if a is not type(None)), name)
    if origin is tuple:
        return (_value(arguments[0], name), _value(arguments[0], name))
    if origin is dict:
        return {"naïve ✓": "x" if arguments[1] is str else {"deep": [1, None, "\0", {"ü": 1.5}]}}
    if hint is str:
        return MOMENT if name.endswith("_at") else f"{name}-{next(_numbers)}-ß☃"
    if hint is bool:
        return True
    if hint is int:
        return next(_numbers)
    if hint is Secret:
        return Secret(f"token-{next(_numbers)}")
    if issubclass(hint, enum.Enum):
        return list(hint)[-1]
    return filled(hint)
