"""Health of one Protector, what it needs, and the protection groups of the token's project."""

from protectorclient.v1.base import Manager, Resource


class HealthManager(Manager):
    def get(self) -> Resource:
        return self._get("/v1/health", "health")
