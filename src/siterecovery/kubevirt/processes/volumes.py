"""The storage backends, as the group controller wants to see them (`controllers.protection_group.promises.Volumes`)."""

import logging
from collections.abc import Mapping, Sequence

from siterecovery.kubevirt.domain.volume import VolumeView
from siterecovery.kubevirt.processes.storages import Cluster, operator_storage
from siterecovery.kubevirt.storage.base import Reason, Storage, StorageError
from siterecovery.kubevirt.storage.judging import unprotected
from siterecovery.kubevirt.storage.states import Connection, VolumeState

LOG = logging.getLogger(__name__)


class StorageViews:
    """`linstor` is None where no controller was named: its volumes are then unknown."""

    def __init__(self, linstor: Storage | None, cluster: Cluster) -> None:
        self._linstor = linstor
        self._cluster = cluster

    async def views(
        self, backend: str, namespace: str, handles: Sequence[str], here: str, clusters: Sequence[str]
    ) -> Mapping[str, VolumeView]:
        storage = self._linstor if backend == "linstor" else self._operator(namespace, clusters)
        unknown = {handle: VolumeView(handle) for handle in handles}
        if storage is None or not handles:
            return unknown
        try:
            states = await storage.states(handles)
        except StorageError as error:
            LOG.warning("%s: %s", backend, error)
            return unknown
        return unknown | {
            handle: view(state, tuple(unprotected({handle: state}, clusters)), here) for handle, state in states.items()
        }

    def _operator(self, namespace: str, names: Sequence[str]) -> Storage:
        return operator_storage(self._cluster, namespace, names)

    async def close(self) -> None:
        if self._linstor is not None:
            await self._linstor.close()


def view(state: VolumeState, reasons: Sequence[Reason], here: str) -> VolumeView:
    """What concerns a VM on `here`. `reasons`: what keeps the volume from being protected.

    Out of sync, no quorum and silence are told in fields of their own, so only the rest is a problem."""
    side = state.side(here)
    silent = any(not replica.answers for replica in state.replicas)
    policy = state.quorum_policy
    problems = [reason.message for reason in reasons if not reason.unknown]
    in_sync = state.in_sync()
    return VolumeView(
        state.volume,
        role=side.role.value,
        disk_state=side.disk.value,
        connection=side.connection.value,
        connected=None if side.connection is Connection.UNKNOWN else side.connection is Connection.CONNECTED,
        in_sync=None if silent and not in_sync else in_sync,
        fenced=policy not in ("off", "") if state.exists and (policy or not silent) else None,
        exists=state.exists,
        problem=problems[0] if problems and in_sync and policy != "off" else "",
    )
