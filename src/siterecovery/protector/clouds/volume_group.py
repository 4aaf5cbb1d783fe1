"""Cinder's generic volume groups: one per protection group and site, consistent across its volumes.

A group of a type with consistent_group_snapshot_enabled is a protection group on the array. It is only ever deleted empty: deleting it
with its volumes would take production along.
"""

import dataclasses

from siterecovery.protector.clouds.base import KEY
from siterecovery.protector.clouds.identity import Version
from siterecovery.protector.clouds.rest import Service
from siterecovery.protector.clouds.scope import Scope
from siterecovery.protector.clouds.volume_type import CinderTypes
from siterecovery.protector.domain.errors import CloudBusy, CloudConflict, CloudNotFound, CloudRefused
from siterecovery.workflow.abreast import abreast

VERSION: tuple[Version, Version] = ((3, 70), (3, 38))
_SNAPSHOTS = "consistent_group_snapshot_enabled"
_REPLICATION = "consistent_group_replication_enabled"


@dataclasses.dataclass(frozen=True)
class CinderGroups:
    """`group_type` names the one to use; None takes the first consistent one, preferring those that Cinder does not replicate by itself."""

    cinder: Service
    scope: Scope
    types: CinderTypes
    group_type: str | None = None

    @property
    def _version(self) -> str:
        return self.cinder.version(*VERSION)

    def create(self, name: str, volume_type: str, key: str) -> str:
        """Not repeated; found again by the key in its description."""
        kind = self.types.find(volume_type)
        if kind is None:
            raise CloudRefused(
                f"{self.cinder.name}: there is no volume type '{volume_type}'.", service=self.cinder.name
            )
        group = {
            "name": name,
            "description": _description(key),
            "group_type": self._group_type(),
            "volume_types": [kind.id],
        }
        return str(self.cinder.create("/groups", {"group": group}, version=self._version)["group"]["id"])

    def _group_type(self) -> str:
        """Members do not see group specs: the service user reads them."""
        admin = self.types.cinder
        found = admin.items("/group_types", "group_types", {"is_public": "None"}, version=admin.version(*VERSION))
        if self.group_type is not None:
            found = [item for item in found if self.group_type in (item["id"], item["name"])]
        consistent = [item for item in found if _on(item, _SNAPSHOTS)]
        if not consistent:
            raise CloudRefused(
                f"{self.cinder.name} has no group type with {_SNAPSHOTS}='<is> True'"
                + (f" called '{self.group_type}'." if self.group_type else "."),
                service=self.cinder.name,
                remedy=f"Create one: cinder group-type-create consistent; cinder group-type-key consistent set {_SNAPSHOTS}='<is> True'.",
            )
        return str(min(consistent, key=lambda item: (_on(item, _REPLICATION), item["name"]))["id"])

    def status(self, group_id: str) -> str | None:
        """None when there is no such group."""
        found = self.cinder.find(f"/groups/{group_id}", version=self._version)
        return str(found["group"]["status"]) if found else None

    def by_key(self, key: str) -> str | None:
        """The id of the group whose description is this key's."""
        listed = self.cinder.items("/groups/detail", "groups", self.scope.filters(), version=self._version)
        return next((str(item["id"]) for item in listed if item.get("description") == _description(key)), None)

    def volume_ids(self, group_id: str) -> list[str]:
        """Asked of the volumes, which know their group in every release."""
        params = {**self.scope.filters(), "group_id": group_id}
        return [item["id"] for item in self.cinder.items("/volumes", "volumes", params, version=self._version)]

    def update(self, group_id: str, add: set[str], remove: set[str]) -> int:
        """Cinder refuses a volume that is in (or out) already, so only the difference is sent; CloudBusy while the group is `updating`."""
        state, inside = abreast(lambda: self.status(group_id), lambda: self.volume_ids(group_id))
        if state is None:
            raise CloudNotFound(f"{self.cinder.name}: group {group_id} does not exist.", service=self.cinder.name)
        if state in ("updating", "creating"):
            raise CloudBusy(f"{self.cinder.name}: group {group_id} is {state}.", service=self.cinder.name)
        changes = {"add_volumes": add - set(inside), "remove_volumes": remove & set(inside)}
        body = {name: ",".join(sorted(ids)) for name, ids in changes.items() if ids}
        if body:
            self.cinder.act(f"/groups/{group_id}", {"group": body}, method="PUT", version=self._version)
        return sum(map(len, changes.values()))

    def delete(self, group_id: str) -> None:
        """CloudConflict while there are volumes in it."""
        inside = self.volume_ids(group_id)
        if inside:
            raise CloudConflict(
                f"{self.cinder.name}: group {group_id} still holds {len(inside)} volumes and is not deleted with them.",
                service=self.cinder.name,
            )
        if self.status(group_id) is not None:
            path = f"/groups/{group_id}/action"
            self.cinder.act(path, {"delete": {"delete-volumes": False}}, version=self._version)


def _description(key: str) -> str:
    return f"{KEY}={key}"


def _on(group_type: dict[str, object], spec: str) -> bool:
    specs = group_type.get("group_specs")
    return isinstance(specs, dict) and str(specs.get(spec, "")).lower() == "<is> true"
