"""What a step may ask of the other site's Protector.

Every message is signed by this site and names the group; secrets in it are sealed to the receiver's key. All are idempotent: the answer may be lost
and the message repeated. `RemoteSiteUnreachable` when there is no answer; `Conflict`, `Forbidden` and `NotFound` as the peer said.
"""

import dataclasses
from typing import Literal, Protocol

from siterecovery.protector.domain.epoch import Claim, Generation
from siterecovery.protector.domain.member import Member, Volume, VolumeCopy
from siterecovery.protector.domain.operation import Debt
from siterecovery.protector.domain.policy import Policy
from siterecovery.protector.domain.protection_group import ProtectionGroup
from siterecovery.protector.domain.states import GroupStatus


@dataclasses.dataclass(frozen=True)
class Document:
    """Everything the other site must know of a group to rebuild it alone. `project_id` is the sender's project; the receiver maps it."""

    group: ProtectionGroup
    members: tuple[Member, ...] = ()
    volumes: tuple[Volume, ...] = ()
    copies: tuple[VolumeCopy, ...] = ()
    policy: Policy | None = None
    debts: tuple[Debt, ...] = ()


@dataclasses.dataclass(frozen=True)
class View:
    """What the peer's database says about a group now."""

    epoch: int
    version: int
    status: GroupStatus
    active_site_id: str
    claim: Claim
    hold_operation_id: str | None
    site_name: str
    trust_id: str | None = None
    """The delegation of the group's project there: what this site's engine needs to act for the tenant on that site."""


class Peer(Protocol):
    """One group's counterpart. `group_id` is the same on both sites."""

    def view(self, group: ProtectionGroup) -> View | None:
        """None: the peer does not know the group."""
        ...

    def fetch(self, group: ProtectionGroup) -> Document | None:
        """The peer's document, its signature checked, its secrets unsealed."""
        ...

    def push(self, document: Document) -> bool:
        """True when the peer has taken it or had the same; False when what it has is newer."""
        ...

    def forget(self, group: ProtectionGroup) -> None:
        """The group was deleted."""
        ...

    def claim(self, group: ProtectionGroup, operation_id: str, base_epoch: int, newest_known: int) -> int:
        """Claims the next epoch in the peer's database; the number."""
        ...

    def revoke(self, group: ProtectionGroup, operation_id: str) -> Literal["revoked", "committed"]: ...

    def commit(self, operation_id: str, generation: Generation, status: GroupStatus, document: Document) -> int:
        """The commit in the peer's database, the document with it; the peer's metadata version afterwards."""
        ...

    def hold(self, group: ProtectionGroup, operation_id: str) -> None: ...

    def release(self, group: ProtectionGroup, operation_id: str) -> None: ...

    def fence(self, group: ProtectionGroup, epoch: int) -> None: ...


class Peers(Protocol):
    def of(self, group: ProtectionGroup) -> Peer:
        """The Protector of the site that is not this one. RemoteSiteUnreachable when it is not configured."""
        ...
