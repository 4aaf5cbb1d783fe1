"""Cinder: volumes, taking array volumes under management, quotas.

Manage, unmanage and groups run with the tenant's token, so that the tenant's quota is used and the volume belongs to its project. What a
member may not read (extra specs, group specs, service hosts) is read by the service user for it: `admin`.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from siterecovery.protector.clouds.base import CinderVolume, ManageSpec, VolumeType
from siterecovery.protector.clouds.identity import Version
from siterecovery.protector.clouds.rest import Service, few
from siterecovery.protector.clouds.scope import Scope
from siterecovery.protector.clouds.volume_group import CinderGroups
from siterecovery.protector.clouds.volume_type import CinderTypes
from siterecovery.protector.domain.errors import CloudForbidden

VERSION: tuple[Version, Version] = ((3, 70), (3, 38))
_MANAGE_REMEDY = (
    "Let the delegated role manage volumes: set volume_extension:volume_manage and volume_extension:volume_unmanage "
    "in Cinder's policy file, for example to rule:admin_or_owner."
)


class CinderVolumes:
    """`base.Volumes` over Cinder."""

    def __init__(self, cinder: Service, scope: Scope, types: CinderTypes, groups: CinderGroups) -> None:
        self._cinder = cinder
        self._scope = scope
        self._types = types
        self._groups = groups

    @property
    def _version(self) -> str:
        return self._cinder.version(*VERSION)

    def volume(self, volume_id: str) -> CinderVolume | None:
        """None also for another project's volume."""
        found = self._cinder.find(f"/volumes/{volume_id}", version=self._version)
        if found is None:
            return None
        volume = volume_of(found["volume"])
        return volume if volume.project_id in ("", self._scope.project_id) else None

    def volumes(
        self, *, volume_ids: Iterable[str] | None = None, metadata: Mapping[str, str] | None = None
    ) -> list[CinderVolume]:
        """Cinder filters by metadata too; it is compared again here, because an operator can switch that filter off."""
        wanted = None if volume_ids is None else set(volume_ids)
        singly = few(wanted, self.volume)
        volumes = [volume_of(item) for item in self._list(metadata)] if singly is None else singly
        return [
            volume
            for volume in volumes
            if (wanted is None or volume.id in wanted) and (metadata or {}).items() <= volume.metadata.items()
        ]

    def _list(self, metadata: Mapping[str, str] | None) -> list[dict[str, Any]]:
        params = self._scope.filters()
        if metadata:
            params["metadata"] = json.dumps(dict(metadata))
        return self._cinder.items("/volumes/detail", "volumes", params, version=self._version)

    def manage(self, spec: ManageSpec) -> str:
        """Not repeated. The reference names the array volume under both keys: which one counts changed with the driver's releases."""
        self._scope.tenant_only("A managed volume")
        reference = {"source-name": spec.array_volume_name, "name": spec.array_volume_name}
        volume: dict[str, Any] = {
            "host": spec.host,
            "ref": reference,
            "name": spec.name,
            "description": spec.description,
            "volume_type": spec.volume_type,
            "bootable": spec.bootable,
            "metadata": dict(spec.metadata),
        }
        if spec.availability_zone:
            volume["availability_zone"] = spec.availability_zone
        try:
            answer = self._cinder.create("/manageable_volumes", {"volume": volume}, version=self._version)
        except CloudForbidden as error:
            error.remedy = _MANAGE_REMEDY
            raise
        return str(answer["volume"]["id"])

    def unmanage(self, volume_id: str) -> None:
        """No error when it is gone."""
        try:
            self._action(volume_id, {"os-unmanage": {}}, gone_is_fine=True)
        except CloudForbidden as error:
            error.remedy = _MANAGE_REMEDY
            raise

    def delete(self, volume_id: str) -> None:
        """Destroys its array volume as well, unless that was renamed before."""
        self._cinder.delete(f"/volumes/{volume_id}", version=self._version)

    def set_bootable(self, volume_id: str, bootable: bool) -> None:
        """False makes it impossible to boot a server from it."""
        self._action(volume_id, {"os-set_bootable": {"bootable": bootable}})

    def set_image_metadata(self, volume_id: str, metadata: Mapping[str, str]) -> None:
        """Nothing is sent for nothing."""
        if metadata:
            self._action(volume_id, {"os-set_image_metadata": {"metadata": dict(metadata)}})

    def set_metadata(self, volume_id: str, metadata: Mapping[str, str]) -> None:
        """Adds and replaces; other keys stay."""
        if metadata:
            path = f"/volumes/{volume_id}/metadata"
            self._cinder.act(path, {"metadata": dict(metadata)}, version=self._version)

    def _action(self, volume_id: str, body: dict[str, Any], *, gone_is_fine: bool = False) -> None:
        path = f"/volumes/{volume_id}/action"
        if gone_is_fine and self._cinder.find(f"/volumes/{volume_id}", version=self._version) is None:
            return
        self._cinder.act(path, body, version=self._version)

    def volume_type(self, name_or_id: str) -> VolumeType | None:
        """An id wins over a name."""
        return self._types.find(name_or_id)

    def volume_types(self) -> list[VolumeType]:
        """Private ones included: whether the project may use one is for Cinder to say."""
        return self._types.all()

    def service_host(self, volume_type: str) -> str:
        """See `CinderTypes.service_host`."""
        return self._types.service_host(volume_type)

    def create_group(self, name: str, volume_type: str, key: str) -> str:
        """See `CinderGroups.create`."""
        self._scope.tenant_only("A volume group")
        return self._groups.create(name, volume_type, key)

    def group_status(self, group_id: str) -> str | None:
        """None when there is no such group."""
        return self._groups.status(group_id)

    def find_group(self, key: str) -> str | None:
        """See `CinderGroups.by_key`."""
        return self._groups.by_key(key)

    def group_volumes(self, group_id: str) -> list[str]:
        """Ids; none for a group that is gone."""
        return self._groups.volume_ids(group_id)

    def update_group(self, group_id: str, *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> int:
        """See `CinderGroups.update`."""
        return self._groups.update(group_id, set(add), set(remove))

    def delete_group(self, group_id: str) -> None:
        """No error when it is gone."""
        self._groups.delete(group_id)

    def quota_left(self, volume_type: str) -> tuple[int, int]:
        """The tighter of the project's limit and the type's own."""
        path = f"/os-quota-sets/{self._scope.project_id}"
        quota = self._cinder.get(path, {"usage": "True"}, version=self._version)["quota_set"]
        kind = self.volume_type(volume_type)
        type_name = kind.name if kind else volume_type
        return _left(quota, "volumes", type_name), _left(quota, "gigabytes", type_name)


def _left(quota: Mapping[str, Any], noun: str, type_name: str) -> int:
    rows = [quota[key] for key in (noun, f"{noun}_{type_name}") if key in quota]
    free = [max(0, row["limit"] - row["in_use"] - row.get("reserved", 0)) for row in rows if row["limit"] >= 0]
    return min(free, default=-1)


_MANAGE_STATES = {"creating": "managing", "error": "error_managing"}
"""Cinder's API shows the states of managing under the names of creating; only the size, unknown until the end, tells them apart."""


def _status(body: Mapping[str, Any]) -> str:
    shown = str(body["status"])
    return shown if int(body["size"]) else _MANAGE_STATES.get(shown, shown)


def volume_of(body: Mapping[str, Any]) -> CinderVolume:
    """Cinder's volume as a plain value. Without the driver's hint the name is Cinder's default template with the driver's ending."""
    metadata = dict(body.get("metadata") or {})
    return CinderVolume(
        id=body["id"],
        name=body.get("name") or "",
        status=_status(body),
        size=int(body["size"]),
        bootable=str(body.get("bootable")).lower() == "true",
        volume_type=body.get("volume_type"),
        metadata=metadata,
        attachments=tuple(item["server_id"] for item in body.get("attachments") or () if item.get("server_id")),
        group_id=body.get("group_id"),
        array_volume_name=metadata.get("array_volume_name") or f"volume-{body['id']}-cinder",
        image_metadata=dict(body.get("volume_image_metadata") or {}),
        availability_zone=body.get("availability_zone"),
        project_id=body.get("os-vol-tenant-attr:tenant_id", ""),
    )
