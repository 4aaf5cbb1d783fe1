"""The delegation of a project: the trust that lets the service act for it while nobody is looking."""

from protectorclient.v1.base import Manager, Resource


class DelegationManager(Manager):
    def get(self) -> Resource:
        return self._get(self._project_path("delegation"), "delegation")

    def create(self) -> Resource:
        """Made from the caller's own token, which is why the request has no body."""
        return self._send("PUT", self._project_path("delegation"), {}, "delegation")

    def delete(self) -> None:
        self._delete(self._project_path("delegation"))
