"""Domain dataclasses ⇄ plain JSON: what plans, the metadata document and JSON columns are made of.

Driven by the type hints, so that a field added to a dataclass travels without further code. Fields that are missing in the data take their
defaults: an older record can be read by newer code. Keys that are not fields are refused unless `lenient` (a newer peer may know more).
A `Secret` never becomes JSON by accident: without a `seal` it is refused.
"""

import dataclasses
import enum
import functools
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from siterecovery.protector.domain.secret import Secret

T = TypeVar("T")

Json = Any
"""dict, list, str, int, float, bool or None."""

Seal = Callable[[Secret], Json]
Unseal = Callable[[Json], Secret]


class CodecError(ValueError):
    """The data does not have the shape of the class; the message says where, never the value."""


def to_json(value: Any, *, seal: Seal | None = None) -> Json:
    """Dataclasses become dicts of all their fields, tuples and sets lists, enums their values."""
    if isinstance(value, Secret):
        if seal is None:
            raise CodecError("a secret does not become JSON without being sealed")
        return seal(value)
    if isinstance(value, enum.Enum):
        return value.value
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name), seal=seal) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_json(item, seal=seal) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item, seal=seal) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(to_json(item, seal=seal) for item in value)
    raise CodecError(f"{type(value).__name__} does not become JSON")


def from_json(cls: type[T], data: Json, *, unseal: Unseal | None = None, lenient: bool = False) -> T:
    """The value of type `cls` (a dataclass or any annotation used in one). Raises CodecError."""
    return typing.cast(T, _Reader(unseal, lenient).read(cls, data, getattr(cls, "__name__", str(cls))))


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


class _Reader:
    def __init__(self, unseal: Unseal | None, lenient: bool) -> None:
        self._unseal = unseal
        self._lenient = lenient

    def read(self, hint: Any, data: Json, at: str) -> Any:
        if hint is Any:
            return data
        origin = typing.get_origin(hint)
        if origin is not None:
            return self._read_generic(origin, typing.get_args(hint), data, at)
        if hint is None or hint is type(None):
            return _expect(data, type(None), at)
        if hint is Secret:
            if self._unseal is None:
                raise CodecError(f"{at}: a secret is not read without being unsealed")
            return self._unseal(data)
        if dataclasses.is_dataclass(hint):
            return self._read_dataclass(typing.cast(type, hint), data, at)
        if isinstance(hint, type) and issubclass(hint, enum.Enum):
            return _read_enum(hint, data, at)
        return _read_plain(hint, data, at)

    def _read_dataclass(self, cls: type, data: Json, at: str) -> Any:
        fields = {field.name: field for field in dataclasses.fields(cls)}
        data = _expect(data, dict, at)
        unknown = sorted(set(data) - set(fields))
        if unknown and not self._lenient:
            raise CodecError(f"{at}: unknown keys {', '.join(unknown)}")
        hints = _hints(cls)
        values = {name: self.read(hints[name], data[name], f"{at}.{name}") for name in fields if name in data}
        try:
            return cls(**values)
        except TypeError as error:
            raise CodecError(f"{at}: {error}") from error

    def _read_generic(self, origin: Any, args: tuple[Any, ...], data: Json, at: str) -> Any:
        if origin in (typing.Union, types.UnionType):
            return self._read_union(args, data, at)
        if origin is typing.Literal:
            if data not in args:
                raise CodecError(f"{at}: not one of {', '.join(map(str, args))}")
            return data
        if origin is tuple:
            items = _expect(data, list, at)
            if len(args) == 2 and args[1] is Ellipsis:
                return tuple(self.read(args[0], item, f"{at}[{i}]") for i, item in enumerate(items))
            if len(items) != len(args):
                raise CodecError(f"{at}: {len(args)} items expected, {len(items)} found")
            return tuple(
                self.read(arg, item, f"{at}[{i}]") for i, (arg, item) in enumerate(zip(args, items, strict=True))
            )
        if origin in (list, set, frozenset):
            items = _expect(data, list, at)
            return origin(self.read(args[0], item, f"{at}[{i}]") for i, item in enumerate(items))
        if isinstance(origin, type) and issubclass(origin, Mapping):
            return {key: self.read(args[1], item, f"{at}[{key}]") for key, item in _expect(data, dict, at).items()}
        raise CodecError(f"{at}: {origin} is not supported")

    def _read_union(self, args: tuple[Any, ...], data: Json, at: str) -> Any:
        if data is None and type(None) in args:
            return None
        problems = []
        for arg in args:
            if arg is type(None):
                continue
            try:
                return self.read(arg, data, at)
            except CodecError as error:
                problems.append(str(error))
        raise CodecError("; ".join(problems) or f"{at}: must be null")


def _expect(data: Json, kind: type, at: str) -> Any:
    if not isinstance(data, kind):
        raise CodecError(f"{at}: {kind.__name__} expected, {type(data).__name__} found")
    return data


def _read_enum(cls: type[enum.Enum], data: Json, at: str) -> enum.Enum:
    try:
        return cls(data)
    except ValueError as error:
        raise CodecError(f"{at}: not one of {', '.join(str(member.value) for member in cls)}") from error


def _read_plain(hint: Any, data: Json, at: str) -> Any:
    if hint is float and isinstance(data, int) and not isinstance(data, bool):
        return float(data)
    if hint is int and isinstance(data, bool):
        raise CodecError(f"{at}: int expected, bool found")
    if hint in (str, int, float, bool, dict, list):
        return _expect(data, hint, at)
    raise CodecError(f"{at}: {hint} is not supported")
