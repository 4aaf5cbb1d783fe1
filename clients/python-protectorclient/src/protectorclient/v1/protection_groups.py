"""Protection groups, and the actions on them. An action answers with its operation, which goes on by itself."""

from typing import Any

from protectorclient import exceptions
from protectorclient.v1 import base
from protectorclient.v1.base import Manager, Resource, Resources

PATH = "protection-groups"


class ProtectionGroupManager(Manager):
    def list(
        self, *, name: str | None = None, status: str | None = None, limit: int | None = None, marker: str | None = None
    ) -> Resources:
        filters = base.given(name=name, status=status, limit=limit, marker=marker)
        return self._list(self._project_path(PATH), "protection_groups", filters)

    def get(self, group: str) -> Resource:
        return self._get(self._project_path(PATH, self.find_id(group)), "protection_group")

    def find(self, group: str) -> Resource:
        """The record of the group with this name or id, without its policy. One call, where it is found."""
        if base.is_id(group):
            return self._get(self._project_path(PATH, group), "protection_group")
        named = self.list(name=group)
        if named:
            return base.pick(named, group, "protection group")
        try:
            return self._get(self._project_path(PATH, group), "protection_group")
        except exceptions.NotFound:
            raise base.not_found("protection group", group) from None

    def find_id(self, group: str) -> str:
        return group if base.is_id(group) else str(self.find(group).id)

    def create(self, **attributes: Any) -> Resource:
        body = {"protection_group": base.given(**attributes)}
        return self._send("POST", self._project_path(PATH), body, "protection_group")

    def update(self, group: str, **attributes: Any) -> Resource:
        body = {"protection_group": base.given(**attributes)}
        return self._send("PATCH", self._project_path(PATH, self.find_id(group)), body, "protection_group")

    def delete(self, group: str) -> None:
        self._delete(self._project_path(PATH, self.find_id(group)))

    def action(self, group: str, action: str, **arguments: Any) -> Resource:
        """Start `failover`, `failback`, `test_failover`, `test_cleanup`, `sync_volumes` or `reset`: the operation."""
        body = {action: base.given(**arguments)}
        return self._send("POST", self._project_path(PATH, self.find_id(group), "action"), body, "operation")

    def consistency_group(self, group: str) -> Resource:
        path = self._project_path(PATH, self.find_id(group), "consistency-group")
        return self._get(path, "consistency_group")

    def sync_consistency_group(self, group: str) -> Resource:
        path = self._project_path(PATH, self.find_id(group), "consistency-group", "sync")
        return self._send("POST", path, {}, "operation")

    def sync_status(self, group: str) -> Resource:
        return self._get(self._project_path(PATH, self.find_id(group), "sync-status"), "sync_status")

    def sync(self, group: str) -> Resource:
        """Push the metadata to the other site once more: the sync status after it."""
        path = self._project_path(PATH, self.find_id(group), "sync")
        return self._send("POST", path, {"force": False}, "sync_status")

    def sync_force(self, group: str) -> Resource:
        """Settle with a site that came back: fence it, pay what is owed there. An operation."""
        path = self._project_path(PATH, self.find_id(group), "sync")
        return self._send("POST", path, {"force": True}, "operation")

    def get_replica(self, group: str) -> Resource:
        """The signed metadata document, to be carried to the other site."""
        return self._get(self._project_path(PATH, group, "replica"), "replica")

    def put_replica(self, group: str, replica: Resource) -> Resource:
        answer = self._transport.request(
            "PUT", self._project_path(PATH, group, "replica"), body={"replica": dict(replica)}
        )
        return Resource(answer or {})
