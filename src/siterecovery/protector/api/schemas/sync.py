from typing import Self

from siterecovery.protector.api.schemas.base import Answer, Request
from siterecovery.protector.domain.operation import Debt as Owed
from siterecovery.protector.domain.protection_group import ProtectionGroup
from siterecovery.protector.domain.states import SyncStatus as Status


class Sync(Request):
    force: bool = False


class Debt(Answer):
    kind: str
    resource: str
    site: str


class SyncStatus(Answer):
    protection_group_id: str
    sync_status: str
    remote_sync_status: str
    metadata_version: int
    remote_sync_version: int | None
    failover_epoch: int
    remote_failover_epoch: int | None
    debts: list[Debt]
    checked_at: str | None

    @classmethod
    def of(cls, group: ProtectionGroup, debts: list[Owed], site_names: dict[str, str], checked_at: str) -> Self:
        """IN SYNC: nothing is owed and both sites are known to have the same version."""
        same = group.remote_sync_version == group.metadata_version and group.remote_sync_status is Status.SYNCED
        return cls(
            protection_group_id=group.id,
            sync_status="IN SYNC" if same and not debts else "OUT OF SYNC",
            remote_sync_status=group.remote_sync_status,
            metadata_version=group.metadata_version,
            remote_sync_version=group.remote_sync_version,
            failover_epoch=group.failover_epoch,
            remote_failover_epoch=group.remote_failover_epoch,
            debts=[
                Debt(kind=debt.kind, resource=debt.resource, site=site_names.get(debt.site_id, debt.site_id))
                for debt in debts
            ],
            checked_at=checked_at,
        )


class SyncStatusAnswer(Answer):
    sync_status: SyncStatus
