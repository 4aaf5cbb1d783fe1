"""`api.precheck.Precheck` on the real clouds: asked before a request is accepted, with the service user's eyes."""

from collections.abc import Sequence

from siterecovery.protector.api.precheck import InstanceFound, VolumeTypeFound
from siterecovery.protector.clouds.base import Clouds
from siterecovery.protector.domain.errors import CloudError, CloudUnreachable, Unmet
from siterecovery.protector.domain.member import Member, Volume


class CloudPrecheck:
    def __init__(self, clouds: Clouds) -> None:
        self._clouds = clouds

    def volume_type(self, site_id: str, name_or_id: str, replication_type: str) -> VolumeTypeFound:
        found = self._clouds.service(site_id, "").volumes.volume_type(name_or_id)
        if found is None:
            unmet = Unmet(
                "volume_type.unknown",
                f"There is no volume type '{name_or_id}' on site {site_id}.",
                "Name an existing one.",
            )
            return VolumeTypeFound(None, name_or_id, (unmet,))
        if not found.replication_enabled or found.replication_type != replication_type:
            unmet = Unmet(
                "volume_type.not_replicated",
                f"Volume type '{found.name}' on site {site_id} is not replicated ({replication_type}).",
                f"It needs replication_enabled='<is> True' and replication_type='<in> {replication_type}'.",
            )
            return VolumeTypeFound(found.id, found.name, (unmet,))
        return VolumeTypeFound(found.id, found.name)

    def instance(self, site_id: str, project_id: str, name_or_id: str, volume_type: str) -> InstanceFound:
        cloud = self._clouds.service(site_id, project_id)
        server = cloud.compute.server(name_or_id)
        if server is None or (server.project_id and server.project_id != project_id):
            unmet = Unmet(
                "instance.unknown", f"The project has no instance {name_or_id} on this site.", "Name one by its id."
            )
            return InstanceFound(name_or_id, name_or_id, (unmet,))
        volumes = cloud.volumes.volumes(volume_ids=server.volume_ids) if server.volume_ids else []
        if not volumes:
            unmet = Unmet(
                "instance.no_volumes",
                f"Instance '{server.name}' has no volumes.",
                "Only instances that boot from volumes are protected.",
            )
            return InstanceFound(server.id, server.name, (unmet,))
        others = [
            Unmet(
                "volume.wrong_type",
                f"Volume {v.id} has type {v.volume_type}, the group's is {volume_type}.",
                "Retype it, then add the instance.",
            )
            for v in volumes
            if v.volume_type != volume_type
        ]
        return InstanceFound(server.id, server.name, tuple(others))

    def networks(self, site_id: str, project_id: str, name_or_id: str) -> Sequence[str]:
        return [id for id, _ in self._clouds.service(site_id, project_id).networks.networks(name_or_id)]

    def flavors(self, site_id: str, project_id: str, name_or_id: str) -> Sequence[str]:
        found = self._clouds.service(site_id, project_id).compute.flavor(name_or_id)
        return [] if found is None else [found]

    def quota(
        self, site_id: str, project_id: str, members: Sequence[Member], volumes: Sequence[Volume]
    ) -> Sequence[Unmet]:
        types = self._clouds.service(site_id, project_id).volumes
        count, gigabytes = len(volumes), sum(volume.size for volume in volumes)
        left_count, left_gigabytes = types.quota_left("")
        short = []
        if 0 <= left_count < count:
            short.append(
                Unmet(
                    "quota.volumes",
                    f"{count} volumes are needed on the target, {left_count} are left in the quota.",
                    "Raise the quota.",
                )
            )
        if 0 <= left_gigabytes < gigabytes:
            detail = f"{gigabytes} GiB are needed on the target, {left_gigabytes} are left in the quota."
            short.append(Unmet("quota.gigabytes", detail, "Raise the quota."))
        return short

    def delegated(self, site_id: str, project_id: str) -> Sequence[Unmet]:
        try:
            self._clouds.tenant(site_id, project_id).identity.check()
        except CloudUnreachable:
            raise
        except CloudError as error:
            return [
                Unmet("delegation.missing", error.detail, error.remedy or "Create it: openstack dr delegation create.")
            ]
        return []
