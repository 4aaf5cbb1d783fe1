"""Pages of a list: `limit`, `marker` (the last id of the page before) and a link to the next page."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel

from siterecovery.protector.api.call import Call
from siterecovery.protector.api.schemas.versions import Link
from siterecovery.protector.domain.errors import BadRequest


class Owned(Protocol):
    @property
    def id(self) -> str: ...

    @property
    def project_id(self) -> str: ...


Row = TypeVar("Row", bound=Owned)


def size(call: Call, asked: int | None) -> int:
    most = call.services.config.page_size
    return min(asked or most, most)


def marker_in(get: Callable[[str], Owned | None], marker: str | None, call: Call) -> str | None:
    """The marker, if it is one of the project's; BadRequest otherwise, told alike for another tenant's."""
    found = get(marker) if marker is not None else None
    if marker is not None and (found is None or found.project_id != call.project_id):
        raise BadRequest(f"The marker '{marker}' is not known.", code="marker.unknown", remedy="Start without one.")
    return marker


def page(call: Call, found: Sequence[Row], limit: int, filters: BaseModel) -> tuple[list[Row], list[Link]]:
    """`found` has been read with one more than `limit`: whether there is a next page."""
    rows = list(found[:limit])
    if len(found) <= limit:
        return rows, []
    query = filters.model_dump(mode="json", exclude_none=True) | {"limit": limit, "marker": rows[-1].id}
    return rows, [Link(rel="next", href=f"{call.url}?{urlencode(query)}")]


def links(name: str, found: list[Link]) -> dict[str, Any]:
    return {f"{name}_links": [link.wire() for link in found]} if found else {}
