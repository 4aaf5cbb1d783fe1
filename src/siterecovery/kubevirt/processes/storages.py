"""The storage backends of groups; as the Failover controller wants to see them (`controllers.failover.promises.Storages`)."""

from collections.abc import Callable, Sequence

from siterecovery.kubevirt.clusters import base as clusters
from siterecovery.kubevirt.storage.base import Refused, Storage
from siterecovery.kubevirt.storage.drbd_operator import DrbdOperatorStorage
from siterecovery.kubevirt.storage.drbd_operator import Volumes as OperatorVolumes

Cluster = Callable[[str], clusters.Cluster]
"""The client of a cluster by its name; raises ClusterError."""


def operator_storage(cluster: Cluster, namespace: str, names: Sequence[str]) -> Storage:
    """The DRBDVolumes of these clusters in one namespace."""
    return DrbdOperatorStorage(
        [
            OperatorVolumes(
                cluster=name,
                namespace=namespace,
                objects=cluster(name),
                unknown=(clusters.Unknown,),
                refused=(clusters.Refused,),
                gone=(clusters.NotFound,),
            )
            for name in names
        ]
    )


class Backends:
    def __init__(self, linstor: Storage | None, cluster: Cluster) -> None:
        self._linstor = linstor
        self._cluster = cluster

    def of(self, backend: str, namespace: str, clusters: Sequence[str]) -> Storage:
        if backend != "linstor":
            return operator_storage(self._cluster, namespace, clusters)
        if self._linstor is None:
            raise Refused(
                "This failover controller was told of no LINSTOR controller.",
                remedy="Start it with --linstor http://linstor-controller:3370, or use groups with storage.backend drbd-operator",
            )
        return self._linstor

    async def close(self) -> None:
        if self._linstor is not None:
            await self._linstor.close()
