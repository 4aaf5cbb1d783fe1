"""What the controller needs from outside its floor; `processes` hands it in."""

from collections.abc import Sequence
from typing import Protocol

from siterecovery.kubevirt.clusters.base import Cluster
from siterecovery.kubevirt.storage.base import Storage


class Clusters(Protocol):
    """Fulfilled by `clusters.registry.Registry`."""

    @property
    def local(self) -> Cluster: ...

    @property
    def names(self) -> list[str]: ...

    def get(self, name: str) -> Cluster: ...

    def resolve(self, name: str) -> str: ...

    def same(self, one: str, other: str) -> bool: ...

    async def refresh(self) -> None: ...


class Storages(Protocol):
    def of(self, backend: str, namespace: str, clusters: Sequence[str]) -> Storage:
        """The backend of a group, by the word of its spec. `clusters`: canonical names of its two sides. Raises StorageError where it is not
        configured."""
        ...
