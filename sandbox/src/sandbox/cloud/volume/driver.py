"""The Pure Storage driver as the array sees it: the same names, calls and order as Cinder's own.

The array is called in the same process; a lost array or site fails every call, as a dead network would.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from sandbox.cloud.volume.model import GIB

TAG_NAMESPACE = "openstack-integration.purestorage.com"
REPLICATION_GROUP = "cinder-group"
_FIRST_SAFEMODE = {"with_default_protection": "false"}
_MANAGED_NAME_LIMIT = 63


class Array(Protocol):
    """What the driver needs of an array."""

    name: str

    def call(self, method: str, path: str, query: Mapping[str, str], body: Any) -> tuple[int, Any]:
        """One REST call without the wire: HTTP status and JSON body."""


class BackendError(Exception):
    """The backend refused or cannot be reached; the message is what Cinder's log would say."""


class Backend:
    """One Pure backend. `reachable` says whether the array answers now; `replicates` whether it has a replication target."""

    def __init__(self, array: Array, reachable: Callable[[], bool], *, host_name: str, iqn: str) -> None:
        self.array = array
        self.replicates = False
        self._reachable = reachable
        self._host_name = host_name
        self._iqn = iqn
        self._connected: set[str] = set()

    def call(self, method: str, path: str, query: Mapping[str, str] | None = None, body: Any = None) -> dict[str, Any]:
        """One call; BackendError with the array's own words when it is refused."""
        if not self._reachable():
            raise BackendError(f"array {self.array.name} does not answer")
        status, answer = self.array.call(method, path, query or {}, body)
        if status >= 400:
            raise BackendError(_message(answer))
        return answer if isinstance(answer, dict) else {}

    @staticmethod
    def volume_name(volume_id: str) -> str:
        """How Cinder's volumes are called on the array."""
        return f"volume-{volume_id}-cinder"

    @staticmethod
    def group_name(group_id: str) -> str:
        """How Cinder's groups are called on the array."""
        return f"consisgroup-{group_id}-cinder"

    def create(
        self, name: str, gib: int, *, replicated: bool, tags: Mapping[str, str], source: str | None = None
    ) -> None:
        """A blank volume, or a copy of an array volume or snapshot grown to `gib`."""
        body: dict[str, Any] = {"source": {"name": source}} if source else {"provisioned": gib * GIB}
        self.call("POST", "/volumes", {"names": name, **_FIRST_SAFEMODE}, body)
        if source:
            self._grow(name, gib)
        self._protect(name, replicated)
        self._tag(name, tags)

    def _grow(self, name: str, gib: int) -> None:
        if self._volume(name)["provisioned"] < gib * GIB:
            self.extend(name, gib)

    def extend(self, name: str, gib: int) -> None:
        """Make it larger."""
        self.call("PATCH", "/volumes", {"names": name}, {"provisioned": gib * GIB})

    def delete(self, name: str | None) -> None:
        """Disconnect and destroy (pending, as the driver's default is); what is gone already is fine."""
        if name is None:
            return
        try:
            if name in self._connected:
                self.detach(name)
            self.call("PATCH", "/volumes", {"names": name}, {"destroyed": True})
        except BackendError as error:
            if "does not exist" not in str(error) and "has been destroyed" not in str(error):
                raise

    def attach(self, name: str) -> None:
        """Connect to this cloud's compute host, making the host on first use."""
        if name in self._connected:
            return
        if not self._connected:
            self._make_host()
        self.call("POST", "/connections", {"host_names": self._host_name, "volume_names": name}, {})
        self._connected.add(name)

    def _make_host(self) -> None:
        try:
            self.call("POST", "/hosts", {"names": self._host_name}, {"iqns": [self._iqn]})
        except BackendError as error:
            if "already" not in str(error):
                raise

    def detach(self, name: str) -> None:
        """Disconnect, and drop the host with its last volume, as the driver does."""
        if name not in self._connected:
            return
        try:
            self.call("DELETE", "/connections", {"host_names": self._host_name, "volume_names": name})
        except BackendError as error:
            if "does not exist" not in str(error):
                raise
        self._connected.discard(name)
        if not self._connected:
            self.call("DELETE", "/hosts", {"names": self._host_name})

    def size_to_manage(self, reference: str) -> int:
        """GiB of an array volume somebody wants managed, rounded up."""
        return int(-(-self._managed(reference)["provisioned"] // GIB))

    def manage(self, reference: str, name: str, *, replicated: bool, tags: Mapping[str, str]) -> None:
        """Take an array volume over under Cinder's name, refusing what the driver refuses, in its order."""
        self._managed(reference)
        groups = self._groups_of(reference)
        was_replicated = self._check_groups(groups)
        if int(self._managed(reference).get("connection_count") or 0) > 0:
            raise BackendError("Existing volume could not be managed: cannot manage a volume connected to hosts")
        self._rename(reference, name)
        if was_replicated and not replicated:
            for group in groups:
                self.call("DELETE", "/protection-groups/volumes", {"group_names": group, "member_names": name})
        elif replicated:
            self._protect(name, replicated)
        self._tag(name, tags)

    def _managed(self, reference: str) -> dict[str, Any]:
        try:
            return self._volume(reference)
        except BackendError as error:
            raise BackendError(f"Unable to find Purity ref with source-name={reference}") from error

    def _check_groups(self, groups: list[str]) -> bool:
        """Whether any group replicates; a ratcheted one refuses the volume."""
        replicated = False
        for group in groups:
            item = self.call("GET", "/protection-groups", {"names": group})["items"][0]
            if item.get("retention_lock") == "ratcheted":
                raise BackendError("cannot manage a SafeMode protected volume")
            replicated = replicated or int(item.get("target_count") or 0) >= 1
        return replicated

    def _rename(self, old: str, new: str) -> None:
        try:
            self.call("PATCH", "/volumes", {"names": old}, {"name": new})
        except BackendError as error:
            # The driver re-raises outside its handler here: users see this sentence, not the array's.
            raise BackendError("There is no (currently) captured exception to force the reraising of") from error

    def unmanage(self, name: str | None) -> None:
        """Let go of a volume under `…-unmanaged`."""
        if name is None:
            raise BackendError("unsupported operand type(s) for +: 'NoneType' and 'str'")
        self.call("DELETE", "/volumes/tags", {"namespaces": TAG_NAMESPACE, "resource_names": name})
        self.call("PATCH", "/volumes", {"names": name}, {"name": f"{name}-unmanaged"[-_MANAGED_NAME_LIMIT:]})

    def snapshot(self, name: str, suffix: str) -> str:
        """Snapshot one volume; returns the snapshot's name."""
        self.call("POST", "/volume-snapshots", {"source_names": name}, {"suffix": suffix})
        return f"{name}.{suffix}"

    def delete_snapshot(self, name: str) -> None:
        """Destroy a volume snapshot."""
        self.call("PATCH", "/volume-snapshots", {"names": name}, {"destroyed": True})

    def create_group(self, name: str) -> None:
        """An empty protection group."""
        self.call("POST", "/protection-groups", {"names": name})

    def update_group(self, name: str, add: list[str], remove: list[str]) -> None:
        """Change a protection group's members."""
        for method, members in (("POST", add), ("DELETE", remove)):
            if members:
                self.call(
                    method, "/protection-groups/volumes", {"group_names": name, "member_names": ",".join(members)}
                )

    def delete_group(self, name: str) -> None:
        """Destroy a protection group (pending)."""
        self.call("PATCH", "/protection-groups", {"names": name}, {"destroyed": True})

    def group_snapshot(self, name: str, suffix: str) -> str:
        """One instant of a whole group; members are `<result>.<volume>`."""
        self.call("POST", "/protection-group-snapshots", {"source_names": name}, {"suffix": suffix})
        return f"{name}.{suffix}"

    def delete_group_snapshot(self, name: str) -> None:
        """Destroy the group snapshot and its members."""
        self.call("PATCH", "/protection-group-snapshots", {"names": name}, {"destroyed": True})

    def names(self) -> list[dict[str, Any]]:
        """Every live array volume, as the list of manageable volumes wants it."""
        return [item for item in self.call("GET", "/volumes")["items"] if not item.get("destroyed")]

    def space(self) -> tuple[float, float]:
        """(capacity, used) in GiB."""
        item = self.call("GET", "/arrays/space")["items"][0]
        return item["capacity"] / GIB, item["space"]["total_physical"] / GIB

    def _volume(self, name: str) -> dict[str, Any]:
        items = self.call("GET", "/volumes", {"names": name})["items"]
        if not items:
            raise BackendError("Volume does not exist.")
        return dict(items[0])

    def _groups_of(self, name: str) -> list[str]:
        items = self.call("GET", "/protection-groups/volumes", {"member_names": name}).get("items", [])
        return [item["group"]["name"] for item in items]

    def _protect(self, name: str, replicated: bool) -> None:
        """Join the driver's own replicated group; like the driver, nobody looks at the answer."""
        if replicated and self._reachable():
            query = {"group_names": REPLICATION_GROUP, "member_names": name}
            self.array.call("POST", "/protection-groups/volumes", query, None)

    def _tag(self, name: str, tags: Mapping[str, str]) -> None:
        batch = [
            {"key": key, "value": value, "namespace": TAG_NAMESPACE, "copyable": False} for key, value in tags.items()
        ]
        self.call("PUT", "/volumes/tags/batch", {"resource_names": name}, batch)


def _message(answer: Any) -> str:
    """The first error sentence of an array's refusal."""
    errors = answer.get("errors") if isinstance(answer, dict) else None
    return str(errors[0].get("message")) if errors else "the array refused without a reason"
