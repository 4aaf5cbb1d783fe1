"""Column types: domain values in, portable text and numbers in the row.

JSON is kept as text (LONGTEXT on MariaDB and MySQL, whose TEXT ends at 64 KiB), because the three databases' own JSON types differ in what they
accept, reorder or shorten. Times that order or expire something are microseconds since 1970 in UTC, in a BIGINT.
"""

import dataclasses
import enum
import functools
import json
import types
import typing
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from siterecovery.protector.domain.secret import Secret

MICROSECONDS = 1_000_000
SQLITE_CLOCK = "protector_now"
"""SQL function that `database.py` registers on each SQLite connection: SQLite's own clock has milliseconds only."""


def long_text() -> sa.Text:
    return sa.Text().with_variant(mysql.LONGTEXT(), "mysql")


class now_us(FunctionElement[int]):
    """The database's clock: microseconds since 1970, UTC, when the statement began (its session is in UTC)."""

    type = sa.BigInteger()
    inherit_cache = True


@compiles(now_us, "sqlite")
def _sqlite_now(element: now_us, compiler: SQLCompiler, **kw: Any) -> str:
    return f"{SQLITE_CLOCK}()"


@compiles(now_us, "mysql")
def _mysql_now(element: now_us, compiler: SQLCompiler, **kw: Any) -> str:
    return "CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED)"


@compiles(now_us, "postgresql")
def _postgres_now(element: now_us, compiler: SQLCompiler, **kw: Any) -> str:
    return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)"


class Json(sa.types.TypeDecorator[Any]):
    """A value of the given type hint (dataclasses, tuples, dicts) as JSON text. NULL is None."""

    impl = long_text()
    cache_ok = True

    def __init__(self, hint: Any = Any) -> None:
        super().__init__()
        self.hint = hint

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else to_json(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else build(self.hint, json.loads(value))


class Named(sa.types.TypeDecorator[Any]):
    """A state by its value."""

    impl = sa.String
    cache_ok = True

    def __init__(self, kind: type[enum.StrEnum], length: int = 32) -> None:
        super().__init__(length)
        self.kind = kind

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else str(self.kind(value).value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else self.kind(value)


def to_json(value: Any) -> str:
    """ASCII only: PostgreSQL refuses NUL characters in text, escaped they are harmless. TypeError for what is not JSON, a `Secret` included."""
    return json.dumps(value, default=_plain, separators=(",", ":"))


def _plain(value: Any) -> Any:
    if isinstance(value, Secret):
        raise TypeError("a Secret is only stored sealed, never inside JSON")
    if isinstance(value, Mapping):
        return dict(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    raise TypeError(f"{type(value).__name__} is not JSON")


def build(hint: Any, data: Any) -> Any:
    """The value of type `hint` from its JSON. It does not validate (a row that was written must be readable); unknown keys of an
    older or newer release are ignored."""
    if data is None:
        return None
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return build(next(a for a in arguments if a is not type(None)), data)
    if origin is tuple:
        return tuple(build(arguments[0], item) for item in data)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return hint(data)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        hints = _hints(hint)
        return hint(**{name: build(hints[name], item) for name, item in data.items() if name in hints})
    return data


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)
