"""What the API must know of the clouds before it accepts a request. Processes wires this promise to the real ones.

Every method contacts one site and raises `domain.errors.CloudError` when it does not answer: the request is then refused and nothing is
changed. Answers are plain values; a list of `Unmet` is empty when all is well.
"""

import dataclasses
from collections.abc import Sequence
from typing import Protocol

from siterecovery.protector.domain.errors import Unmet
from siterecovery.protector.domain.member import Member, Volume


@dataclasses.dataclass(frozen=True)
class VolumeTypeFound:
    """`unmet` says why it does not qualify: unknown, not replicated, or replicated in another way than the group."""

    id: str | None
    name: str
    unmet: tuple[Unmet, ...] = ()


@dataclasses.dataclass(frozen=True)
class InstanceFound:
    """`unmet`: unknown or another project's (told alike), without a volume, or with volumes of another type than the group's."""

    id: str
    name: str
    unmet: tuple[Unmet, ...] = ()


class Precheck(Protocol):
    def volume_type(self, site_id: str, name_or_id: str, replication_type: str) -> VolumeTypeFound: ...

    def instance(self, site_id: str, project_id: str, name_or_id: str, volume_type: str) -> InstanceFound: ...

    def networks(self, site_id: str, project_id: str, name_or_id: str) -> Sequence[str]:
        """Ids of the networks with this id or name that the project can use."""
        ...

    def flavors(self, site_id: str, project_id: str, name_or_id: str) -> Sequence[str]: ...

    def quota(
        self, site_id: str, project_id: str, members: Sequence[Member], volumes: Sequence[Volume]
    ) -> Sequence[Unmet]:
        """Whether the project has room on the site for these servers and volumes: all that is short, with figures."""
        ...

    def delegated(self, site_id: str, project_id: str) -> Sequence[Unmet]:
        """Whether the service may act for the project on the site: a delegation that works."""
        ...
