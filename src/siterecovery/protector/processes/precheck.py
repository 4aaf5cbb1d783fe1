"""`api.precheck.Precheck` on the real clouds: what a request must find there before it is accepted."""

from collections.abc import Callable, Sequence
from typing import Any

from siterecovery.protector.api.precheck import InstanceFound, VolumeTypeFound
from siterecovery.protector.clouds.base import Cloud, Clouds, Server
from siterecovery.protector.domain.errors import TokenRejected, Unmet
from siterecovery.protector.domain.member import Member, Volume

Limits = Callable[[str, str], tuple[dict[str, Any], dict[str, Any]]]
"""(site id, project id) → the absolute limits of Nova and of Cinder, as the project sees them."""

ANY_PROJECT = ""
JUST_NOW = 1.0
"""Seconds. A request that has just signed in for its other questions need not do so twice."""


class CloudPrecheck:
    """`named` is the name people know a site by."""

    def __init__(self, clouds: Clouds, limits: Limits, named: Callable[[str], str]) -> None:
        self._clouds = clouds
        self._limits = limits
        self._named = named

    def volume_type(self, site_id: str, name_or_id: str, replication_type: str) -> VolumeTypeFound:
        found = self._clouds.service(site_id, ANY_PROJECT).volumes.volume_type(name_or_id)
        site = self._named(site_id)
        if found is None:
            unmet = Unmet(
                "volume_type.not_found",
                f"Volume type '{name_or_id}' does not exist on site {site}.",
                "List them: openstack dr site list-volume-types.",
            )
            return VolumeTypeFound(None, name_or_id, (unmet,))
        if not found.replication_enabled:
            unmet = Unmet(
                "volume_type.not_replicated",
                f"Volume type '{found.name}' on site {site} does not have replication_enabled='<is> True'.",
                "Choose a replicated type: openstack dr site list-volume-types.",
            )
            return VolumeTypeFound(found.id, found.name, (unmet,))
        if found.replication_type not in (None, replication_type):
            unmet = Unmet(
                "volume_type.other_replication",
                f"Volume type '{found.name}' on site {site} replicates {found.replication_type}, not {replication_type}.",
                "Choose another type, or the other replication_type.",
            )
            return VolumeTypeFound(found.id, found.name, (unmet,))
        return VolumeTypeFound(found.id, found.name)

    def instance(self, site_id: str, project_id: str, name_or_id: str, volume_type: str) -> InstanceFound:
        cloud = self._clouds.service(site_id, project_id)
        found = _servers(cloud, name_or_id)
        if len(found) != 1:
            how_many = "No instance" if not found else "More than one instance"
            unmet = Unmet(
                "instance.not_found", f"{how_many} '{name_or_id}' exists in the project.", "Name it by its id."
            )
            return InstanceFound("", name_or_id, (unmet,))
        server = found[0]
        return InstanceFound(server.id, server.name, tuple(_unmet_volumes(cloud, server, volume_type)))

    def networks(self, site_id: str, project_id: str, name_or_id: str) -> Sequence[str]:
        try:
            return [found for found, _ in self._clouds.tenant(site_id, project_id).networks.networks(name_or_id)]
        except TokenRejected:
            return []  # `delegated` says why

    def flavors(self, site_id: str, project_id: str, name_or_id: str) -> Sequence[str]:
        try:
            found = self._clouds.tenant(site_id, project_id).compute.flavor(name_or_id)
        except TokenRejected:
            return []  # `delegated` says why
        return [found] if found is not None else []

    def quota(
        self, site_id: str, project_id: str, members: Sequence[Member], volumes: Sequence[Volume]
    ) -> Sequence[Unmet]:
        try:
            nova, cinder = self._limits(site_id, project_id)
        except TokenRejected:
            return []  # `delegated` says why
        flavors = [member.rebuild.flavor for member in members if member.rebuild]
        wanted = (
            ("instances", len(members), nova, "maxTotalInstances", "totalInstancesUsed"),
            ("cores", sum(int(f.get("vcpus", 0)) for f in flavors), nova, "maxTotalCores", "totalCoresUsed"),
            ("MiB of RAM", sum(int(f.get("ram", 0)) for f in flavors), nova, "maxTotalRAMSize", "totalRAMUsed"),
            ("volumes", len(volumes), cinder, "maxTotalVolumes", "totalVolumesUsed"),
            ("GiB of volumes", sum(v.size for v in volumes), cinder, "maxTotalVolumeGigabytes", "totalGigabytesUsed"),
        )
        return [
            unmet
            for what, needed, limits, most, used in wanted
            if (unmet := _short(what, needed, limits.get(most), limits.get(used))) is not None
        ]

    def delegated(self, site_id: str, project_id: str) -> Sequence[Unmet]:
        try:
            self._clouds.tenant(site_id, project_id).identity.check(JUST_NOW)
        except TokenRejected as error:
            remedy = error.remedy or "Create the delegation again: openstack dr delegation create."
            return [Unmet("delegation.missing", error.detail, remedy)]
        return []


def _servers(cloud: Cloud, name_or_id: str) -> list[Server]:
    """By id, else by name; only the project's own."""
    by_id = cloud.compute.server(name_or_id)
    if by_id is not None:
        return [by_id] if by_id.project_id == cloud.project_id else []
    return [server for server in cloud.compute.servers() if server.name == name_or_id]


def _unmet_volumes(cloud: Cloud, server: Server, volume_type: str) -> list[Unmet]:
    if not server.volume_ids:
        return [
            Unmet(
                "member.no_volumes",
                f"Instance '{server.name}' has no volumes: its disks are not on the array.",
                "Rebuild it to boot from a volume of the group's volume type.",
            )
        ]
    wanted = cloud.volumes.volume_type(volume_type)
    names = {volume_type, wanted.name, wanted.id} if wanted else {volume_type}
    return [
        Unmet(
            "member.volume_type",
            f"Volume '{volume.name or volume.id}' of instance '{server.name}' has the type '{volume.volume_type}', "
            f"the group's is '{wanted.name if wanted else volume_type}'.",
            "Retype the volume, or detach it.",
        )
        for volume in cloud.volumes.volumes(volume_ids=server.volume_ids)
        if volume.volume_type not in names
    ]


def _short(what: str, needed: int, most: Any, used: Any) -> Unmet | None:
    """-1 is no limit; a cloud that does not say does not refuse."""
    if most is None or used is None or int(most) < 0 or int(used) + needed <= int(most):
        return None
    return Unmet(
        "quota.exceeded",
        f"The project's quota on the target has room for {max(0, int(most) - int(used))} {what}, {needed} are needed.",
        "Raise the quota there, or free some.",
    )
