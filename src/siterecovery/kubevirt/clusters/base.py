"""What a cluster promises, and how it says no.

ClusterError
├── Refused             the API server has answered, and would answer so again
│   ├── NotFound        404: the object is not there (the kind is served)
│   ├── Conflict        409: somebody else has changed it since it was read
│   │   └── AlreadyExists
│   ├── Gone            410: too old a resourceVersion: list again
│   ├── Forbidden       401, 403
│   └── Invalid         400, 405, 413, 415, 422: validation, admission
└── Unknown             nobody knows what is true there, nor whether a write was applied: never an absence
    ├── Unreachable     no connection, or it broke
    ├── TimedOut
    ├── Unavailable     429, 5xx: also webhooks that are down
    └── NotServed       404 of the kind itself: its CRD is not installed, or the server has just started

`str()` of each is a sentence that names the cluster, the verb and the object, and what the server said.
"""

import dataclasses
import datetime
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Protocol

from siterecovery.kubevirt.domain.resources import Object, Resource


class ClusterError(Exception):
    """`cluster` is the name under which this controller knows the cluster; `status` the HTTP status, 0 when there was no answer."""

    def __init__(self, message: str, *, cluster: str = "", status: int = 0) -> None:
        super().__init__(message)
        self.cluster = cluster
        self.status = status


class Refused(ClusterError):
    pass


class NotFound(Refused):
    pass


class Conflict(Refused):
    pass


class AlreadyExists(Conflict):
    pass


class Gone(Refused):
    pass


class Forbidden(Refused):
    pass


class Invalid(Refused):
    pass


class Unknown(ClusterError):
    pass


class Unreachable(Unknown):
    pass


class TimedOut(Unknown):
    pass


class Unavailable(Unknown):
    pass


class NotServed(Unknown):
    pass


class BadAccess(ClusterError):
    """A kubeconfig that cannot be used: what is wrong with it, never its content."""


@dataclasses.dataclass(frozen=True)
class Listing:
    items: tuple[Object, ...]
    resource_version: str
    """From here a watch goes on."""


@dataclasses.dataclass(frozen=True)
class WatchEvent:
    type: str
    """ADDED, MODIFIED, DELETED or BOOKMARK (only its resourceVersion counts)."""
    object: Object


class Cluster(Protocol):
    """Every call is bounded, reads are live (never from the server's cache), and only the errors above are raised."""

    @property
    def name(self) -> str: ...

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object: ...

    async def find(self, resource: Resource, name: str, namespace: str | None = None) -> Object | None:
        """`get` whose NotFound is None. Everything unknown is still raised."""
        ...

    async def list(
        self, resource: Resource, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> Listing:
        """All of them, in pages. `labels` and `fields` are selectors. Shared with who asks the same meanwhile: read only."""
        ...

    def watch(
        self, resource: Resource, *, since: str, namespace: str | None = None, labels: str = "", silence: float = 75.0
    ) -> AsyncIterator[WatchEvent]:
        """Ends when the server ends it; raises TimedOut after `silence` seconds without a word (bookmarks come about every 60 s)."""
        ...

    async def create(self, resource: Resource, obj: Mapping[str, Any]) -> Object: ...

    async def update(self, resource: Resource, obj: Mapping[str, Any], *, subresource: str | None = None) -> Object:
        """PUT: with the object's resourceVersion a Conflict when it has changed."""
        ...

    async def patch(
        self,
        resource: Resource,
        name: str,
        namespace: str | None,
        patch: Mapping[str, Any],
        *,
        subresource: str | None = None,
        manager: str = "site-recovery",
    ) -> Object:
        """JSON merge patch. `metadata.resourceVersion` in it makes it conditional."""
        ...

    async def apply(
        self, resource: Resource, obj: Mapping[str, Any], *, manager: str, subresource: str | None = None
    ) -> Object:
        """Server-side apply: `manager` owns exactly the fields in `obj` afterwards; those it owned before and left out are removed."""
        ...

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        propagation: str = "Background",
    ) -> None:
        """With `uid` (and `resource_version`) only that very object: otherwise a Conflict."""
        ...

    async def call(
        self, resource: Resource, name: str, namespace: str, subresource: str, body: Mapping[str, Any] | None = None
    ) -> None:
        """PUT on a subresource that is an action (`virtualmachines/start`)."""
        ...

    async def server_time(self) -> datetime.datetime:
        """The API server's own clock, UTC, to the second. Also the cheapest question to see whether it answers."""
        ...

    async def close(self) -> None: ...


def sentences(errors: Sequence[ClusterError]) -> str:
    return "; ".join(str(error) for error in errors)


async def delete_seen(cluster: Cluster, resource: Resource, obj: Object) -> None:
    """That very object (by its uid), and no successor of its name. No error when it is gone."""
    metadata = obj["metadata"]
    try:
        await cluster.delete(resource, metadata["name"], metadata.get("namespace"), uid=metadata["uid"])
    except (NotFound, Conflict):
        return  # gone, or not the one that was seen
