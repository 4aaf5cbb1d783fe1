"""From an API server's answer to the error tree: the one place that reads `Status` objects."""

from collections.abc import Mapping
from typing import Any

import orjson

from siterecovery.kubevirt.clusters import base

_BY_STATUS: dict[int, type[base.ClusterError]] = {
    400: base.Invalid,
    401: base.Forbidden,
    403: base.Forbidden,
    404: base.NotFound,
    405: base.Invalid,
    409: base.Conflict,
    410: base.Gone,
    413: base.Invalid,
    415: base.Invalid,
    422: base.Invalid,
    504: base.TimedOut,
}
_STARTING = "before all known HTTP paths have been installed"
"""Said, with 403 or 404 at times, by a server that has just started."""


def document(body: bytes) -> Mapping[str, Any]:
    """The JSON object in `body`; empty when there is none (a proxy's page, plain text)."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def error(cluster: str, what: str, status: int, body: bytes) -> base.ClusterError:
    """`what` is the verb and the object, for the sentence."""
    said = document(body)
    message = str(said.get("message") or body[:200].decode(errors="replace").strip() or "no reason given")
    kind = _kind(status, said, message)
    return kind(f"{cluster}: {what}: {message} ({status})", cluster=cluster, status=status)


def _kind(status: int, said: Mapping[str, Any], message: str) -> type[base.ClusterError]:
    if _STARTING in message:
        return base.Unavailable
    if status == 404 and not (said.get("details") or {}).get("name"):
        return base.NotServed  # the path, not the object: a kind whose CRD is missing says so without a name
    if status == 409 and said.get("reason") == "AlreadyExists":
        return base.AlreadyExists
    return _BY_STATUS.get(status, base.Unavailable)
