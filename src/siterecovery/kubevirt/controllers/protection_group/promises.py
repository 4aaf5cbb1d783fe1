"""What the controller needs from outside its floor; `processes` hands it in."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from siterecovery.kubevirt.clusters.base import Cluster
from siterecovery.kubevirt.domain.volume import VolumeView


class Volumes(Protocol):
    """The replicated volumes, as the storage backend of a group knows them."""

    async def views(
        self, backend: str, namespace: str, handles: Sequence[str], here: str, clusters: Sequence[str]
    ) -> Mapping[str, VolumeView]:
        """`here` and `clusters` are canonical names of clusters. One entry per handle; a volume of which nothing can be said is an entry full of
        None. Never raises for an unreachable backend."""
        ...


class Clusters(Protocol):
    """Fulfilled by `clusters.registry.Registry`."""

    @property
    def local(self) -> Cluster: ...

    def get(self, name: str) -> Cluster: ...

    def resolve(self, name: str) -> str: ...

    def same(self, one: str, other: str) -> bool: ...


class NoVolumes:
    """No storage backend is configured: nothing is known of any volume."""

    async def views(
        self, backend: str, namespace: str, handles: Sequence[str], here: str, clusters: Sequence[str]
    ) -> Mapping[str, VolumeView]:
        return {handle: VolumeView(handle) for handle in handles}
