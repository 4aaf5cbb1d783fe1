"""Cinder's volume types, group types and the hosts that serve them: read by the service user, since members see no specs."""

import dataclasses
from typing import Any

from siterecovery.protector.clouds.base import VolumeType
from siterecovery.protector.clouds.memory import Memory
from siterecovery.protector.clouds.rest import Service
from siterecovery.protector.domain.errors import CloudForbidden, CloudRefused
from siterecovery.workflow.abreast import abreast

_TRUE = "<is> true"
_SERVICES_REMEDY = (
    "Check that cinder-volume runs with this backend, and that the service user may use "
    "volume_extension:services:index and scheduler_extension:scheduler_stats:get_pools (an admin role by default)."
)


@dataclasses.dataclass(frozen=True)
class CinderTypes:
    """`cinder` speaks as the service user."""

    cinder: Service
    memory: Memory = dataclasses.field(default_factory=Memory)

    def all(self) -> list[VolumeType]:
        """Public and private ones."""
        return [type_of(item) for item in self.cinder.items("/types", "volume_types", {"is_public": "None"})]

    def find(self, name_or_id: str) -> VolumeType | None:
        """Cinder's own look-up knows ids only, so the list is read: types are few."""
        types = self.all()
        by_id = next((kind for kind in types if kind.id == name_or_id), None)
        return by_id or next((kind for kind in types if kind.name == name_or_id), None)

    def service_host(self, volume_type: str) -> str:
        """The first pool (by name) of the type's backend whose service is enabled and up; remembered for a minute."""
        return self.memory.get(("host", volume_type), lambda: self._service_host(volume_type))

    def _service_host(self, volume_type: str) -> str:
        kind, live, pools = abreast(lambda: self.find(volume_type), self._live_services, self._pools)
        if kind is None:
            raise CloudRefused(
                f"{self.cinder.name}: there is no volume type '{volume_type}'.", service=self.cinder.name
            )
        serving = [pool["name"] for pool in pools if _backend(pool) == kind.backend or kind.backend is None]
        usable: list[str] = [name for name in serving if name.partition("#")[0] in live]
        if usable:
            return min(usable)
        raise CloudRefused(
            f"Volume service host '{kind.backend or volume_type}' not found",
            service=self.cinder.name,
            remedy=_SERVICES_REMEDY,
        )

    def _pools(self) -> list[dict[str, Any]]:
        return self._read("/scheduler-stats/get_pools", "pools", {"detail": "True"})

    def _live_services(self) -> set[str]:
        services = self._read("/os-services", "services", {"binary": "cinder-volume"})
        return {item["host"] for item in services if item["state"] == "up" and item["status"] == "enabled"}

    def _read(self, path: str, key: str, params: dict[str, str | int]) -> list[dict[str, Any]]:
        try:
            found: list[dict[str, Any]] = self.cinder.get(path, params)[key]
        except CloudForbidden as error:
            error.remedy = _SERVICES_REMEDY
            raise
        return found


def _backend(pool: dict[str, Any]) -> str | None:
    name: str | None = (pool.get("capabilities") or {}).get("volume_backend_name")
    return name


def type_of(body: dict[str, Any]) -> VolumeType:
    """A replicated type without `replication_type` is asynchronous, as the driver reads it; trisync counts as sync."""
    specs = {key.lower(): str(value) for key, value in (body.get("extra_specs") or {}).items()}
    enabled = specs.get("replication_enabled", "").lower() == _TRUE
    asked = specs.get("replication_type", "<in> async").removeprefix("<in>").strip().lower()
    known = {"async": "async", "sync": "sync", "trisync": "sync"}.get(asked)
    return VolumeType(body["id"], body["name"], enabled, known if enabled else None, specs.get("volume_backend_name"))
