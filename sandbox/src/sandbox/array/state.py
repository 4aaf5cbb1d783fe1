"""One array's state as JSON and back.

The model is plain dataclasses, so their own type hints say how to rebuild them; no field is listed twice.
"""

from __future__ import annotations

import types
from dataclasses import asdict, fields, is_dataclass
from typing import TYPE_CHECKING, Any, TypeVar, Union, get_args, get_origin, get_type_hints

from sandbox.array.model import Group, Host, Pod, Thing, Volume, VolumeGroup
from sandbox.array.table import Table

if TYPE_CHECKING:
    from sandbox.array.array import Array

T = TypeVar("T", bound=Thing)
_FORMAT = 1


class StoreError(ValueError):
    """The file is not a saved state of this simulator."""


def dump(array: Array) -> dict[str, Any]:
    """Everything but sessions and knobs; transfers are frozen at this instant."""
    now = array.clock.now()
    for group in array.groups:
        for taken in group.snapshots.values():
            if taken.transfer is not None and not taken.arrived:
                taken.transfer.done, taken.transfer.since = taken.transfer.sent(now), now
    tables = ("volumes", "groups", "hosts", "pods", "volume_groups")
    return {
        "format": _FORMAT,
        "time": now,
        "serial": array.serial,
        "default_protections": list(array.default_protections),
        **{table: [asdict(thing) for thing in getattr(array, table)] for table in tables},
    }


def load(array: Array, saved: dict[str, Any]) -> None:
    """Replace the array's state; timers start again with `resume`, once every array of the fabric is loaded."""
    if saved.get("format") != _FORMAT:
        raise StoreError(f"the saved state of {array.name} has format {saved.get('format')!r}, not {_FORMAT}")
    array.serial = saved["serial"]
    array.default_protections = list(saved["default_protections"])
    array.volumes = _table(array.volumes.label, Volume, saved["volumes"])
    array.groups = _table(array.groups.label, Group, saved["groups"])
    array.hosts = _table(array.hosts.label, Host, saved["hosts"])
    array.pods = _table(array.pods.label, Pod, saved["pods"])
    array.volume_groups = _table(array.volume_groups.label, VolumeGroup, saved["volume_groups"])
    now = array.clock.now()
    for group in array.groups:
        for taken in group.snapshots.values():
            if taken.transfer is not None and not taken.arrived:
                taken.transfer.since, taken.transfer.rate = now, 0.0


def _table(label: str, kind: type[T], rows: list[dict[str, Any]]) -> Table[T]:
    return Table(label, (_build(kind, row) for row in rows))


def _build(kind: Any, value: Any) -> Any:
    """Rebuild a value of that type from its JSON."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return None if value is None else _build(next(a for a in arguments if a is not type(None)), value)
    if origin is list:
        return [_build(arguments[0], element) for element in value]
    if origin is dict:
        return {key: _build(arguments[1], element) for key, element in value.items()}
    if is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        return kind(**{f.name: _build(hints[f.name], value[f.name]) for f in fields(kind) if f.name in value})
    return value
