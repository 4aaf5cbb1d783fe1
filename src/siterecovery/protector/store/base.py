"""What the rest of Protector may ask of its database, in plain domain values.

All reads and writes happen in a `Transaction`: `with store.begin() as tx:` commits at the end and rolls back on an exception. It may be run again
when the database refuses it (deadlock, Galera certification, serialisation), so the block has no side effect of its own: use
`store.run(lambda tx: …)`, which does that. `get(…, lock=True)` reads the row for update. A group or operation that was read in a transaction is
saved only if nobody else has changed it since (`StaleRow`, which `run` repeats), so that no change is lost without a lock either.

Every noun gets `created_at` from the database when it is first saved without one; later saves leave it alone. A database that is away raises
`store.errors.StoreUnavailable` (503, `retryable`) within seconds.

Journal changes (`workflow.journal.Write.changes`) are callables that take the `Transaction`: they are committed together with the step's
entry, under the same epoch check.
"""

import contextlib
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from siterecovery.protector.domain.member import Member, Volume, VolumeCopy
from siterecovery.protector.domain.operation import Debt, Operation, Report
from siterecovery.protector.domain.policy import Policy
from siterecovery.protector.domain.protection_group import ProtectionGroup
from siterecovery.protector.domain.site import Delegation, Site, TenantMapping
from siterecovery.workflow.journal import Entry, Journal
from siterecovery.workflow.lease import Leases

T = TypeVar("T")


class Sites(Protocol):
    def get(self, site_id: str) -> Site | None: ...

    def find(self, name_or_id: str) -> Site | None: ...

    def all(self) -> list[Site]: ...

    def save(self, site: Site) -> None:
        """Inserts or replaces."""
        ...

    def delete(self, site_id: str) -> None: ...


class Groups(Protocol):
    def get(self, group_id: str, *, lock: bool = False) -> ProtectionGroup | None: ...

    def find(self, project_id: str, name_or_id: str) -> ProtectionGroup | None:
        """Within the project; Conflict when several groups have the name."""
        ...

    def select(
        self,
        *,
        project_id: str | None = None,
        name: str | None = None,
        status: str | None = None,
        marker: str | None = None,
        limit: int | None = None,
    ) -> list[ProtectionGroup]: ...

    def save(self, group: ProtectionGroup) -> None:
        """Inserts or replaces the whole row, lineage included."""
        ...

    def delete(self, group_id: str) -> None:
        """With its members, volumes, policy, copies and debts; its operations stay readable."""
        ...


class Members(Protocol):
    def get(self, member_id: str) -> Member | None: ...

    def of_group(self, group_id: str) -> list[Member]:
        """In the order they were added."""
        ...

    def elsewhere(self, member_ids: Sequence[str], group_id: str) -> list[str]:
        """Those of them that another group knows."""
        ...

    def by_instance(self, instance_id: str) -> Member | None: ...

    def save(self, *members: Member) -> None: ...

    def delete(self, member_id: str) -> None:
        """With its volumes."""
        ...

    def count(self, group_ids: Sequence[str]) -> dict[str, int]: ...


class Volumes(Protocol):
    def of_group(self, group_id: str) -> list[Volume]: ...

    def of_member(self, member_id: str) -> list[Volume]:
        """In boot order."""
        ...

    def holds(self, group_id: str, volume_id: str) -> bool:
        """Whether the Cinder volume is one of the group's, where the group is active."""
        ...

    def save(self, *volumes: Volume) -> None: ...

    def delete(self, volume_id: str) -> None: ...

    def copies(self, group_id: str) -> list[VolumeCopy]: ...

    def save_copy(self, *copies: VolumeCopy) -> None: ...

    def delete_copy(self, copy_id: str) -> None: ...


class Policies(Protocol):
    def get(self, group_id: str) -> Policy | None:
        """Its tokens are unsealed into `Secret`s."""
        ...

    def save(self, policy: Policy) -> None:
        """Its tokens are sealed at rest."""
        ...


class Operations(Protocol):
    def get(self, operation_id: str, *, lock: bool = False, plan: bool = True) -> Operation | None:
        """Without its `plan` (`{}`) where it is not needed: a thousand VMs' is megabytes to read."""
        ...

    def add(self, operation: Operation) -> None: ...

    def save(self, operation: Operation) -> None:
        """Everything but the lease and what was fixed when it was added: request, plan, time of creation."""
        ...

    def report(self, operation_id: str, report: Report) -> None:
        """Of one that is under way. Nothing is read for it, and one that is gone is no error."""
        ...

    def select(
        self,
        project_id: str,
        *,
        group_id: str | None = None,
        type: str | None = None,
        status: str | None = None,
        internal: bool = False,
        marker: str | None = None,
        limit: int = 100,
    ) -> list[Operation]:
        """Newest first; keyset paging by (created_at, id). Internal types only when asked for, be it by a named `type`.

        The plan is left out (`{}`): it can be large, and no list shows it. BadRequest for a marker that is not the project's."""
        ...

    def of_group(self, group_id: str, *, unfinished: bool = False) -> list[Operation]: ...

    def entries(self, operation_id: str) -> list[Entry]:
        """The journal's entries in the order of their first write."""
        ...


class Debts(Protocol):
    def of_group(self, group_id: str) -> list[Debt]: ...

    def save(self, debt: Debt) -> None: ...

    def delete(self, debt_id: str) -> None: ...

    def all(self) -> list[Debt]: ...


class Tenants(Protocol):
    """Tenant mappings and delegations."""

    def mappings(self) -> list[TenantMapping]: ...

    def mapping(self, local_project_id: str, remote_site_id: str) -> TenantMapping | None: ...

    def mapping_from(self, remote_site_id: str, remote_project_id: str) -> TenantMapping | None: ...

    def save_mapping(self, mapping: TenantMapping) -> None: ...

    def delete_mapping(self, mapping_id: str) -> None: ...

    def delegation(self, project_id: str) -> Delegation | None: ...

    def delegations(self) -> list[Delegation]: ...

    def save_delegation(self, delegation: Delegation) -> None: ...

    def delete_delegation(self, project_id: str) -> None: ...


class Transaction(Protocol):
    sites: Sites
    groups: Groups
    members: Members
    volumes: Volumes
    policies: Policies
    operations: Operations
    debts: Debts
    tenants: Tenants

    def now(self) -> str:
        """The database's clock, UTC, `YYYY-MM-DDTHH:MM:SSZ`: what records carry."""
        ...


Change = Callable[[Transaction], None]


class Store(Protocol):
    journal: Journal
    leases: Leases

    def begin(self) -> contextlib.AbstractContextManager[Transaction]: ...

    def run(self, work: Callable[[Transaction], T]) -> T:
        """Runs `work` in a transaction, again when the database asks for it (a few times)."""
        ...

    def engines(self) -> list[tuple[str, float]]:
        """(owner, seconds since it was last heard of) of each engine."""
        ...

    def heartbeat(self, owner: str) -> None: ...
