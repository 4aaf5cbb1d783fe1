"""What many steps wait for at once, read with one list call per site and project (`workflow.step.Topic`).

Up to three subjects are read by single gets, more of them by one paged list, however many wait. Topics of the same cloud are equal by `key`,
so their waiters share one poller.
"""

import dataclasses
from collections.abc import Hashable, Mapping
from typing import Any

from siterecovery.protector.clouds.base import Cloud


@dataclasses.dataclass(frozen=True)
class ServerTopic:
    """Observations are `base.Server`; a server that is gone is left out. `interval` is in seconds between two readings."""

    cloud: Cloud
    interval: float = 2.0

    @property
    def key(self) -> Hashable:
        """One poller per site and project."""
        return ("servers", self.cloud.site_id, self.cloud.project_id)

    def read(self, subjects: frozenset[str]) -> Mapping[str, Any]:
        """By server id."""
        return {server.id: server for server in self.cloud.compute.servers(server_ids=subjects)}


@dataclasses.dataclass(frozen=True)
class VolumeTopic:
    """Observations are `base.CinderVolume`."""

    cloud: Cloud
    interval: float = 2.0

    @property
    def key(self) -> Hashable:
        """One poller per site and project."""
        return ("volumes", self.cloud.site_id, self.cloud.project_id)

    def read(self, subjects: frozenset[str]) -> Mapping[str, Any]:
        """By volume id."""
        return {volume.id: volume for volume in self.cloud.volumes.volumes(volume_ids=subjects)}


@dataclasses.dataclass(frozen=True)
class GroupTopic:
    """Observations are a Cinder group's status. One operation waits for one group, so these are single gets."""

    cloud: Cloud
    interval: float = 2.0

    @property
    def key(self) -> Hashable:
        """One poller per site and project."""
        return ("groups", self.cloud.site_id, self.cloud.project_id)

    def read(self, subjects: frozenset[str]) -> Mapping[str, Any]:
        """By group id."""
        found = {group_id: self.cloud.volumes.group_status(group_id) for group_id in sorted(subjects)}
        return {group_id: status for group_id, status in found.items() if status is not None}
