"""Members: the VMs of a protection group."""

from protectorclient import exceptions
from protectorclient.v1 import base
from protectorclient.v1.base import Manager, Resource, Resources
from protectorclient.v1.protection_groups import PATH


class MemberManager(Manager):
    """`group` is the group's id here: whoever works on members has looked the group up already."""

    def list(self, group: str) -> Resources:
        return self._list(self._project_path(PATH, group, "members"), "members")

    def get(self, group: str, member: str) -> Resource:
        return self._get(self._project_path(PATH, group, "members", member), "member")

    def find(self, group: str, wanted: str) -> Resource:
        """By its id, its instance's id or its instance's name."""
        records = self.list(group)
        for key in ("id", "instance_id", "instance_name"):
            matches = [item for item in records if item.get(key) == wanted]
            if len(matches) > 1:
                ids = ", ".join(str(item.id) for item in matches)
                raise exceptions.BadInput(f"{len(matches)} members are called '{wanted}'", remedy=f"Use an id: {ids}")
            if matches:
                return matches[0]
        raise base.not_found("member", wanted)

    def add(self, group: str, instance_id: str) -> Resource:
        body = {"member": {"instance_id": instance_id}}
        return self._send("POST", self._project_path(PATH, group, "members"), body, "member")

    def remove(self, group: str, member: str) -> None:
        self._delete(self._project_path(PATH, group, "members", member))
