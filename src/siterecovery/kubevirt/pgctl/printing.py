"""Tables for people, JSON and YAML for programs. Nothing is cut off or wrapped: a table that is piped on stays whole."""

import datetime
import enum
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click
import orjson
import yaml

_GAP = "  "
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_YEAR = 365 * _DAY


class Output(enum.StrEnum):
    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"

    @property
    def for_people(self) -> bool:
        return self in (Output.TABLE, Output.WIDE)


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Columns as wide as their longest entry; `-` for what is not there."""
    lines = [list(headings), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    return "\n".join(
        _GAP.join(value.ljust(width) for value, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _cell(value: object) -> str:
    text = "-" if value is None or value == "" else str(value)
    return " ".join(text.split())


def show(output: Output, value: Any) -> None:
    """For programs."""
    if output is Output.JSON:
        click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())
    else:
        click.echo(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, default_flow_style=False), nl=False)


def listed(items: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """Objects as the API server gives them, each with the name of the cluster it was read from."""
    return {"items": [{"cluster": cluster, **plain(item)} for cluster, item in items]}


def plain(item: Mapping[str, Any]) -> dict[str, Any]:
    """Without `managedFields`, which kubectl does not show either."""
    metadata = {key: value for key, value in item["metadata"].items() if key != "managedFields"}
    return {**item, "metadata": metadata}


def age(since: str | None, now: datetime.datetime) -> str:
    """How long ago, to the precision kubectl's readers are used to; `-` when it is not known."""
    if not since:
        return "-"
    return duration((now - datetime.datetime.fromisoformat(since)).total_seconds())


def duration(seconds: float) -> str:
    """Two units while the smaller one matters: 90s, 5m30s, 45m, 5h20m, 30h, 3d4h, 40d, 2y."""
    whole = max(0, int(seconds))
    if whole < 2 * _MINUTE:
        return f"{whole}s" if whole % _MINUTE or not whole else f"{whole // _MINUTE}m"
    if whole < 10 * _MINUTE:
        return _two(whole, _MINUTE, "m", 1, "s")
    if whole < 3 * _HOUR:
        return f"{whole // _MINUTE}m" if whole % _HOUR else f"{whole // _HOUR}h"
    if whole < 8 * _HOUR:
        return _two(whole, _HOUR, "h", _MINUTE, "m")
    if whole < 2 * _DAY:
        return f"{whole // _HOUR}h"
    if whole < 8 * _DAY:
        return _two(whole, _DAY, "d", _HOUR, "h")
    return f"{whole // _DAY}d" if whole < 2 * _YEAR else f"{whole // _YEAR}y"


def _two(whole: int, large: int, large_name: str, small: int, small_name: str) -> str:
    rest = whole % large // small
    return f"{whole // large}{large_name}" + (f"{rest}{small_name}" if rest else "")
