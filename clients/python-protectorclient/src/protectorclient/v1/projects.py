"""Projects of the identity service beside a Protector: mappings are between ids, people know names."""

from protectorclient.v1 import base
from protectorclient.v1.base import Manager, Resource


class ProjectManager(Manager):
    def find_id(self, project: str) -> str:
        """The id of the project with this name or id. An admin's token is needed."""
        named = self._transport.identity(f"/projects?name={base.quoted(project)}").get("projects", [])
        if named:
            return str(base.pick([Resource(item) for item in named], project, "project").id)
        found = self._transport.identity(f"/projects/{base.quoted(project)}", missing_ok=True).get("project")
        if found is None:
            raise base.not_found("project", project)
        return str(found["id"])
