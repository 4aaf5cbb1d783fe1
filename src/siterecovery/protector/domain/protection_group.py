"""A protection group: the unit that moves. One row on each site, with the same id."""

import dataclasses
from typing import Any

from siterecovery.protector.domain.epoch import Claim, Generation
from siterecovery.protector.domain.states import GroupStatus, SyncStatus


@dataclasses.dataclass(frozen=True)
class ProtectionGroup:
    """`project_id` is the local project's; everything else but the claim, the holds and the sync fields is the same on both sites.

    `volume_type` is a name on the primary site, `secondary_volume_type` on the other. `cinder_groups` maps a site's id to its generic volume
    group there. `hold_operation_id` is the local operation that holds the group; `remote_hold` the one the peer told of, which never
    refuses a forced failover. `lineage` is every committed epoch, oldest first.
    """

    id: str
    name: str
    project_id: str
    primary_site_id: str
    secondary_site_id: str
    current_primary_site_id: str
    volume_type: str
    secondary_volume_type: str
    replication_type: str = "async"
    description: str = ""
    status: GroupStatus = GroupStatus.CREATING
    error_message: str | None = None
    cinder_groups: dict[str, str] = dataclasses.field(default_factory=dict)
    network_mapping: dict[str, str] = dataclasses.field(default_factory=dict)
    flavor_mapping: dict[str, str] = dataclasses.field(default_factory=dict)
    ip_policy: str = "keep"
    failover_epoch: int = 0
    lineage: tuple[Generation, ...] = ()
    claim: Claim = dataclasses.field(default_factory=Claim)
    hold_operation_id: str | None = None
    remote_hold: str | None = None
    failover_count: int = 0
    last_failover_at: str | None = None
    last_replication_at: str | None = None
    active_test_operation_id: str | None = None
    metadata_version: int = 0
    remote_sync_status: SyncStatus = SyncStatus.PENDING
    remote_sync_version: int | None = None
    remote_failover_epoch: int | None = None
    created_at: str = ""
    updated_at: str = ""
    extra: dict[str, Any] = dataclasses.field(default_factory=dict)

    def other_site(self, site_id: str) -> str:
        return self.secondary_site_id if site_id == self.primary_site_id else self.primary_site_id

    def volume_type_on(self, site_id: str) -> str:
        return self.volume_type if site_id == self.primary_site_id else self.secondary_volume_type

    @property
    def newest_epoch_known(self) -> int:
        """The greatest number anybody told this site of: the next claim is above it."""
        return max(self.failover_epoch, self.claim.epoch, self.claim.fence)

    @property
    def generation(self) -> Generation | None:
        """The committed epoch the group is in."""
        return next((g for g in reversed(self.lineage) if g.epoch == self.failover_epoch), None)

    def ancestry(self) -> tuple[Generation, ...]:
        """The current epoch and its ancestors, youngest first: where a recovery point is looked for."""
        by_epoch = {generation.epoch: generation for generation in self.lineage}
        line, at = [], self.generation
        while at is not None:
            line.append(at)
            at = by_epoch.get(at.parent) if at.parent is not None else None
        return tuple(line)
