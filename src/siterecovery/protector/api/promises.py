"""What the API asks of the rest of the process besides the store, the peer and the clouds. Kept by `processes.wiring`."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from siterecovery.protector.domain.policy import Policy
from siterecovery.protector.domain.protection_group import ProtectionGroup
from siterecovery.protector.domain.site import Site


class MetadataSync(Protocol):
    def synchronise(self, group_id: str) -> None:
        """Brings the other site's record and ours to the newer of the two, at once, and stores what was learnt (remote_sync_status, remote
        version and epoch, when) in the group's row. Where the peer does not answer the row says so; nothing is raised for that."""
        ...


class Trusts(Protocol):
    def create(self, *, token: str, project_id: str, user_id: str) -> str:
        """A trust from the token's user to the service user, in this project, on this site; its id. Forbidden when Keystone will not have it."""
        ...

    def delete(self, trust_id: str, *, token: str) -> None:
        """No error when it is gone."""
        ...


@dataclasses.dataclass(frozen=True)
class Check:
    """One probed thing. `status` is ok, error or unknown; `detail` a sentence."""

    name: str
    status: str
    detail: str


@dataclasses.dataclass(frozen=True)
class SiteReport:
    """What a validation has found: one check for each of keystone, nova, cinder, neutron and protector."""

    checks: tuple[Check, ...]
    capabilities: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def status(self) -> str:
        """`unreachable` when Keystone does not answer, `error` when something else is missing."""
        broken = {check.name for check in self.checks if check.status == "error"}
        return "unreachable" if "keystone" in broken else ("error" if broken else "active")


@dataclasses.dataclass(frozen=True)
class SiteVolumeType:
    id: str
    name: str
    replication_enabled: bool
    replication_type: str | None


@dataclasses.dataclass(frozen=True)
class LinkReport:
    """Replication of one group as the arrays tell it. `link` is ok, error or unknown; `lag_seconds` None when nobody knows;
    `reasons` say what stands against a failover."""

    link: str = "unknown"
    lag_seconds: int | None = None
    reasons: tuple[str, ...] = ()


class Probes(Protocol):
    """Looks at the world for people. Never raises for something that is down: it says so."""

    def validate(self, site: Site) -> SiteReport: ...

    def volume_types(self, site: Site) -> Sequence[SiteVolumeType]:
        """Raises CloudError when the site does not answer."""
        ...

    def reachable(self, site: Site) -> Check: ...

    def storage(self) -> Check: ...

    def replication(self, group: ProtectionGroup, policy: Policy | None) -> LinkReport: ...


@dataclasses.dataclass(frozen=True)
class OwnIdentity:
    """This Protector's name and public keys (base64)."""

    site_name: str
    signing_key: str
    sealing_key: str
