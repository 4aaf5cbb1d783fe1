"""What all of Neutron's collections share: filters, fields, pages, policy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sandbox.cloud.errors import BadRequest, Forbidden, NotFound
from sandbox.cloud.listing import next_link, page
from sandbox.cloud.wire import Call, Reply

_CONTROL = frozenset({"limit", "marker", "fields", "sort_key", "sort_dir", "page_reverse", "tags", "tags-any"})


def listing(call: Call, name: str, rows: Iterable[dict[str, Any]]) -> Reply:
    """The rows that pass every filter of the query; one attribute given several times means any of the values."""
    chosen = [row for row in rows if _matches(row, call)] if call.query else list(rows)
    if "sort_key" in call.query:
        descending = call.query.get("sort_dir") == "desc"
        chosen.sort(key=lambda row: str(row.get(call.query["sort_key"])), reverse=descending)
    part, more = page(chosen, call.query, lambda row: str(row["id"]), most=100_000)
    fields = call.query.getall("fields", [])
    body: dict[str, Any] = {name: [{key: row[key] for key in fields if key in row} if fields else row for row in part]}
    if more and "limit" in call.query:
        base = f"{call.cloud.root_of('network')}{call.path}"
        body[f"{name}_links"] = next_link(base, call.query, str(part[-1]["id"]))
    return Reply(200, body)


def _matches(row: dict[str, Any], call: Call) -> bool:
    for key in call.query:
        values = call.query.getall(key)
        if key == "fixed_ips":
            if not _has_addresses(row, values):
                return False
        elif key == "security_groups":
            if not set(values) & set(row.get(key, ())):
                return False
        elif key not in _CONTROL and key in row and _text(row[key]) not in [_plain(value) for value in values]:
            return False
    tags = set(row.get("tags", ()))
    wanted = {tag for text in call.query.getall("tags", []) for tag in text.split(",")}
    some = {tag for text in call.query.getall("tags-any", []) for tag in text.split(",")}
    return wanted <= tags and (not some or bool(some & tags))


def _has_addresses(row: dict[str, Any], values: list[str]) -> bool:
    """`fixed_ips=ip_address=10.0.0.5` or `fixed_ips=subnet_id=…`: each value must hold for some address."""
    pairs = [value.partition("=")[::2] for value in values]
    return all(any(entry.get(key) == value for entry in row["fixed_ips"]) for key, value in pairs)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str("" if value is None else value)


def _plain(value: str) -> str:
    return value.lower() if value in ("True", "False") else value


def refuse(rule: str) -> Forbidden:
    """Neutron's words for a policy that says no."""
    return Forbidden(f"({rule}) is disallowed by policy", "PolicyNotAuthorized")


def missing(kind: str, identifier: str) -> NotFound:
    """Neutron's 404."""
    words = {"SecurityGroup": "Security group", "SecurityGroupRule": "Security group rule"}.get(kind, kind)
    verb = "does not exist" if kind.startswith("SecurityGroup") else "could not be found."
    return NotFound(f"{words} {identifier} {verb}", f"{kind}NotFound")


def only(given: dict[str, Any], allowed: Iterable[str], resource: str) -> None:
    """400 for attributes Neutron does not know."""
    unknown = sorted(set(given) - set(allowed))
    if unknown:
        raise BadRequest(f"Unrecognized attribute(s) '{', '.join(unknown)}'", "HTTPBadRequest")


def project_for(call: Call, given: dict[str, Any], resource: str) -> str:
    """Whose the new thing is; only administrators make things for others."""
    wanted = str(given.get("project_id") or given.get("tenant_id") or call.project_id)
    if wanted != call.project_id and not call.is_admin:
        raise refuse(f"rule:create_{resource} and rule:create_{resource}:tenant_id")
    return wanted
