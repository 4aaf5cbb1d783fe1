"""Several objects of one namespace, or of none, by live reads: a few by their names, many in one list."""

import asyncio
from collections.abc import Collection

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.domain.resources import Object, Resource

_FEW = 16
"""Objects that are asked for one by one; with more of them the whole namespace is listed (of a kind without one, all). A bound between 10, where
ten thousand others made the lists too dear (benchmarks/README.md), and groups of a hundred; where they cost the same was not measured."""


async def named(
    cluster: base.Cluster, resource: Resource, namespace: str | None, names: Collection[str]
) -> dict[str, Object]:
    """Those that are there, by name. Raises what could not be read."""
    if len(names) > _FEW:
        listing, wanted = await cluster.list(resource, namespace), frozenset(names)
        return {name: item for item in listing.items if (name := item["metadata"]["name"]) in wanted}
    found = await asyncio.gather(*(cluster.find(resource, name, namespace) for name in names))
    return {name: item for name, item in zip(names, found, strict=True) if item is not None}
