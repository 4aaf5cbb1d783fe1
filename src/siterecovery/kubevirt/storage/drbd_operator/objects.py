"""The DRBDVolume objects of one cluster in one namespace, and the border where a cluster's errors become ours."""

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from siterecovery.kubevirt.domain.resources import DRBD_VOLUMES, OURS, Object, Resource
from siterecovery.kubevirt.storage.base import NoSuchVolume, Refused, Unreachable

MANAGER = "site-recovery-storage"
QUORUM_BEFORE = f"{OURS}/quorum-before"
"""Annotation: the policy before quorum was switched off for a forced failover."""
COPY_OF = f"{OURS}/copy-of"
"""Annotation on a copy for a test failover: the volume it was made from."""


class Listing(Protocol):
    @property
    def items(self) -> Sequence[Object]: ...


class Objects(Protocol):
    """The part of a cluster (`clusters.base.Cluster`) that is needed here."""

    async def list(self, resource: Resource, namespace: str | None = None) -> Listing: ...

    async def create(self, resource: Resource, obj: Mapping[str, Any]) -> Object: ...

    async def patch(
        self, resource: Resource, name: str, namespace: str | None, patch: Mapping[str, Any], *, manager: str = MANAGER
    ) -> Object:
        """JSON merge patch; with `metadata.resourceVersion` in it only if nobody was faster."""
        ...

    async def delete(
        self, resource: Resource, name: str, namespace: str | None = None, *, uid: str | None = None
    ) -> None: ...


@dataclasses.dataclass(frozen=True)
class Volumes:
    """`unknown` and `refused`: the exception types by which `objects` says that nobody knows, and no; `gone` those of `refused` that mean that
    the object is not there."""

    cluster: str
    namespace: str
    objects: Objects
    unknown: tuple[type[Exception], ...]
    refused: tuple[type[Exception], ...]
    gone: tuple[type[Exception], ...] = ()

    async def read(self) -> dict[str, Object]:
        """By handle."""
        with self._translated("list"):
            found = await self.objects.list(DRBD_VOLUMES, self.namespace)
        return {handle_of(item): item for item in found.items}

    async def create(self, name: str, spec: Mapping[str, Any], annotations: Mapping[str, str]) -> None:
        made = DRBD_VOLUMES.header(name, self.namespace)
        made["metadata"]["annotations"] = dict(annotations)
        with self._translated(f"create {name}"):
            await self.objects.create(DRBD_VOLUMES, {**made, "spec": dict(spec)})

    async def change(
        self,
        volume: Object,
        *,
        spec: Mapping[str, Any] | None = None,
        annotations: Mapping[str, str | None] | None = None,
    ) -> None:
        """Refused when somebody else has changed it since it was read: look again."""
        metadata: dict[str, Any] = {"resourceVersion": volume["metadata"]["resourceVersion"]}
        if annotations is not None:
            metadata["annotations"] = dict(annotations)
        patch = {"metadata": metadata} | ({"spec": dict(spec)} if spec else {})
        name = volume["metadata"]["name"]
        with self._translated(f"patch {name}"):
            await self.objects.patch(DRBD_VOLUMES, name, self.namespace, patch, manager=MANAGER)

    async def delete(self, volume: Object) -> None:
        """That very object; no error when it is gone."""
        name = volume["metadata"]["name"]
        with contextlib.suppress(NoSuchVolume), self._translated(f"delete {name}"):
            await self.objects.delete(DRBD_VOLUMES, name, self.namespace, uid=volume["metadata"]["uid"])

    @contextlib.contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        try:
            yield
        except self.gone as error:
            raise NoSuchVolume(f"DRBDVolumes of {self.cluster} ({what}): {error}") from error
        except self.unknown as error:
            raise Unreachable(f"DRBDVolumes of {self.cluster} ({what}): {error}") from error
        except self.refused as error:
            raise Refused(f"DRBDVolumes of {self.cluster} ({what}): {error}") from error


def handle_of(volume: Object) -> str:
    """The DRBD resource it stands for: named in its spec, or after the object."""
    metadata = volume["metadata"]
    return str(volume["spec"].get("volumeHandle") or f"{metadata['namespace']}-{metadata['name']}")


def annotation(volume: Object, key: str) -> str | None:
    found = (volume["metadata"].get("annotations") or {}).get(key)
    return None if found is None else str(found)
