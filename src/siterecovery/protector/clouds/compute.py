"""Nova: servers and what they need to be built again.

Microversions: lists and gets ask for 2.73, which tells why a server is locked; and below 2.69 Nova silently leaves servers of an
unreachable cell out of its lists, while "not listed" must mean "gone". What a rebuild needs is read at 2.46, the last one that tells the flavor's id.
"""

import contextlib
import hashlib
import logging
from collections.abc import Iterable, Mapping
from typing import Any

from siterecovery.protector.clouds.base import KEY, Disk, Server, ServerSpec
from siterecovery.protector.clouds.describe import KEY_TAG_PREFIX, Describer
from siterecovery.protector.clouds.identity import Version
from siterecovery.protector.clouds.memory import Memory
from siterecovery.protector.clouds.picture import Picture
from siterecovery.protector.clouds.rest import Service, few, segment
from siterecovery.protector.clouds.scope import Scope
from siterecovery.protector.domain.errors import CloudConflict, CloudError, CloudNotFound, CloudRefused
from siterecovery.protector.domain.member import Rebuild, Volume
from siterecovery.workflow.abreast import abreast

LOG = logging.getLogger(__name__)

LIST: tuple[Version, Version] = ((2, 73), (2, 9))
CREATE: tuple[Version, Version] = ((2, 72), (2, 52))
LOCK_REASON: Version = (2, 73)
ATTACHMENT_READ: Version = (2, 79)
ATTACHMENT_WRITE: Version = (2, 85)
SERVER_GROUP_POLICY: Version = (2, 64)
_MOST_TAGS = 50
_LONGEST_METADATA = 255


def key_tag(key: str) -> str:
    """A server tag that finds the server of a key: tags may hold no slash and 60 characters, so it is a digest."""
    return KEY_TAG_PREFIX + hashlib.sha256(key.encode()).hexdigest()[:32]


class NovaCompute:
    """`base.Compute` over Nova. `describer` is None for an actor that may not read what a rebuild needs."""

    def __init__(self, nova: Service, scope: Scope, describer: Describer | None) -> None:
        self._nova = nova
        self._scope = scope
        self._describer = describer
        self._memory = Memory()
        self._picture = Picture(self._list_since, server_of)

    def server(self, server_id: str) -> Server | None:
        """None also for another project's server: a tenant never learns that it exists."""
        found = self._nova.find(f"/servers/{segment(server_id)}", version=self._nova.version(*LIST))
        if found is None:
            return None
        server = server_of(found["server"])
        return server if server.project_id in ("", self._scope.project_id) else None

    def servers(
        self, *, server_ids: Iterable[str] | None = None, metadata: Mapping[str, str] | None = None
    ) -> list[Server]:
        """A key is looked up by its tag, everything else in metadata is compared here: Nova filters metadata for administrators only. Many by
        their ids are read off a picture, of which only the changes are asked for (`picture`)."""
        wanted = None if server_ids is None else set(server_ids)
        singly = few(wanted, self.server)
        if singly is not None:
            servers = singly
        elif wanted is not None and not metadata:
            return self._picture.servers(wanted)
        else:
            servers = [server_of(item) for item in self._list(metadata or {})]
        return [
            server
            for server in servers
            if (wanted is None or server.id in wanted) and (metadata or {}).items() <= server.metadata.items()
        ]

    def _list(self, metadata: Mapping[str, str]) -> list[dict[str, Any]]:
        params = self._scope.filters()
        if KEY in metadata:
            params["tags"] = key_tag(metadata[KEY])
        return self._nova.items("/servers/detail", "servers", params, version=self._nova.version(*LIST))

    def _list_since(self, moment: str | None) -> list[dict[str, Any]]:
        params = {**self._scope.filters(), **({"changes-since": moment} if moment is not None else {})}
        return self._nova.items("/servers/detail", "servers", params, version=self._nova.version(*LIST))

    def describe(self, server_id: str) -> tuple[Rebuild, list[Volume]]:
        """See `describe`."""
        if self._describer is None:
            raise CloudRefused("Only the service user can read what a rebuild needs.", service=self._nova.name)
        return self._describer.describe(server_id, self._scope.project_id)

    def create(self, spec: ServerSpec) -> str:
        """Not repeated: after a lost answer the step looks for the key."""
        self._scope.tenant_only("A server")
        version = self._nova.version(*CREATE)
        answer = self._nova.create("/servers", creation_body(spec), version=version)
        return str(answer["server"]["id"])

    def lock(self, server_id: str, reason: str) -> None:
        """The reason is shown to the tenant where Nova knows reasons (2.73)."""
        try:
            version = self._nova.version(LOCK_REASON)
        except CloudRefused:
            self._action(server_id, {"lock": None}, self._nova.version(*LIST))
            return
        self._action(server_id, {"lock": {"locked_reason": reason[:255]}}, version)

    def unlock(self, server_id: str) -> None:
        """No error when it is not locked."""
        self._action(server_id, {"unlock": None})

    def stop(self, server_id: str) -> None:
        """Nova answers 409 for a server that is off already, for one that somebody else is stopping, and for one that is paused."""
        self._unless_already(server_id, {"os-stop": None}, "powering-off", "SHUTOFF", "PAUSED", "SUSPENDED")

    def start(self, server_id: str) -> None:
        """A locked server refuses this to a tenant (409): the lock is what keeps it off."""
        self._unless_already(server_id, {"os-start": None}, "powering-on", "ACTIVE")

    def reset_state(self, server_id: str) -> None:
        """Calls off what nova-compute never finishes, such as the shutdown of a guest that hangs."""
        self._action(server_id, {"os-resetState": {"state": "active"}})

    def pause(self, server_id: str) -> None:
        """No error when it is paused."""
        self._unless_already(server_id, {"pause": None}, "pausing", "PAUSED")

    def unpause(self, server_id: str) -> None:
        """No error when it runs."""
        self._unless_already(server_id, {"unpause": None}, "unpausing", "ACTIVE")

    def delete(self, server_id: str, *, force: bool = False) -> None:
        """`force` skips a soft-delete's grace time and works in any state."""
        if not force:
            self._nova.delete(f"/servers/{segment(server_id)}", version=self._nova.version(*LIST))
            return
        with contextlib.suppress(CloudNotFound):
            self._action(server_id, {"forceDelete": None})

    def detach(self, server_id: str, volume_id: str) -> None:
        """No error when it is detached, or the server is gone."""
        self._nova.delete(f"{_attachments(server_id)}/{volume_id}", version=self._nova.version(*LIST))

    def keep_volume(self, server_id: str, volume_id: str) -> None:
        """Read back, because a deletion that takes the volume with it cannot be undone."""
        path = f"{_attachments(server_id)}/{volume_id}"
        body = {"volumeAttachment": {"volumeId": volume_id, "delete_on_termination": False}}
        read = self._nova.version(ATTACHMENT_READ)
        if self._nova.get(path, version=read)["volumeAttachment"]["delete_on_termination"]:
            self._nova.act(path, body, method="PUT", version=self._nova.version(ATTACHMENT_WRITE))
            if self._nova.get(path, version=read)["volumeAttachment"]["delete_on_termination"]:
                raise CloudRefused(
                    f"{self._nova.name}: volume {volume_id} would still be deleted together with server {server_id}.",
                    service=self._nova.name,
                )

    def console_output(self, server_id: str, lines: int = 200) -> str:
        """The end of the console's log."""
        answer = self._action(server_id, {"os-getConsoleOutput": {"length": lines}})
        return str((answer or {}).get("output") or "")

    def flavor(self, name_or_id: str) -> str | None:
        """An id wins over a name; several flavors of one name are none. Remembered for a minute."""
        return self._memory.get(("flavor", name_or_id), lambda: self._flavor(name_or_id), keep=bool)

    def _flavor(self, name_or_id: str) -> str | None:
        by_id, flavors = abreast(
            lambda: self._nova.find(f"/flavors/{segment(name_or_id)}"), lambda: self._nova.items("/flavors", "flavors")
        )
        if by_id is not None:
            return name_or_id
        named = [flavor for flavor in flavors if flavor["name"] == name_or_id]
        return str(named[0]["id"]) if len(named) == 1 else None

    def ensure_keypair(self, name: str, public_key: str | None) -> bool:
        """It belongs to the user who made the trust; that it is there is remembered for a minute."""
        self._scope.tenant_only("A keypair")
        return self._memory.get(("keypair", name), lambda: self._ensure_keypair(name, public_key), keep=bool)

    def _ensure_keypair(self, name: str, public_key: str | None) -> bool:
        if self._nova.find(f"/os-keypairs/{segment(name)}") is not None:
            return True
        if public_key is None:
            return False
        with contextlib.suppress(CloudConflict):
            self._nova.create("/os-keypairs", {"keypair": {"name": name, "public_key": public_key}})
        return True

    def ensure_server_group(self, name: str, policy: str) -> str:
        """Found by name within the project."""
        self._scope.tenant_only("A server group")
        for group in self._nova.items("/os-server-groups", "server_groups", version=self._nova.version(*LIST)):
            if group["name"] == name:
                return str(group["id"])
        try:
            version, body = self._nova.version(SERVER_GROUP_POLICY), {"name": name, "policy": policy}
        except CloudRefused:
            version, body = self._nova.version(*LIST), {"name": name, "policies": [policy]}  # type: ignore[dict-item]
        return str(
            self._nova.create("/os-server-groups", {"server_group": body}, version=version)["server_group"]["id"]
        )

    def _action(self, server_id: str, body: dict[str, Any], version: str | None = None) -> Any:
        return self._nova.act(
            f"/servers/{segment(server_id)}/action", body, version=version or self._nova.version(*LIST)
        )

    def _unless_already(self, server_id: str, body: dict[str, Any], task: str, *statuses: str) -> None:
        """A refusal by a server that is already where the action leads, or on its way (`task`), is no error."""
        try:
            self._action(server_id, body)
        except CloudConflict as refusal:
            if not self._is(server_id, task, statuses):
                raise refusal

    def _is(self, server_id: str, task: str, statuses: tuple[str, ...]) -> bool:
        try:
            server = self.server(server_id)
        except CloudError:
            LOG.warning("could not look at server %s after it refused an action", server_id)
            return False
        return server is not None and (
            server.task_state == task or (server.status in statuses and server.task_state is None)
        )


def server_of(body: Mapping[str, Any]) -> Server:
    """Nova's server as a plain value; one in an unreachable cell has little more than its id and status UNKNOWN."""
    return Server(
        id=body["id"],
        name=body.get("name", ""),
        status=body["status"],
        task_state=body.get("OS-EXT-STS:task_state"),
        locked=bool(body.get("locked")),
        locked_reason=body.get("locked_reason"),
        metadata=dict(body.get("metadata") or {}),
        volume_ids=tuple(volume["id"] for volume in body.get("os-extended-volumes:volumes_attached") or ()),
        fault=(body.get("fault") or {}).get("message"),
        project_id=body.get("tenant_id", ""),
        placed=body.get("OS-EXT-SRV-ATTR:host", "") is not None or bool(body.get("OS-SRV-USG:launched_at")),
    )


def creation_body(spec: ServerSpec) -> dict[str, Any]:
    """The request of one server: all disks are mapped at creation. A fiftieth user tag gives way to the one our look-up needs."""
    rebuild, key = spec.rebuild, spec.key[:_LONGEST_METADATA]
    tags = [tag for tag in rebuild.tags if not tag.startswith(KEY_TAG_PREFIX)]
    server: dict[str, Any] = {
        "name": spec.name,
        "flavorRef": spec.flavor_id,
        "min_count": 1,
        "max_count": 1,
        "networks": [{"port": port} for port in spec.port_ids] or "none",
        "block_device_mapping_v2": [_mapping(disk) for disk in spec.disks],
        "metadata": {**rebuild.metadata, **spec.metadata, KEY: key},
        "tags": [*tags[: _MOST_TAGS - 1], key_tag(key)],
        "config_drive": rebuild.config_drive,
    }
    optional = {
        "key_name": rebuild.key_name,
        "user_data": rebuild.user_data,
        "description": rebuild.description,
        "availability_zone": rebuild.availability_zone,
    }
    server |= {name: value for name, value in optional.items() if value}
    hints = {"os:scheduler_hints": {"group": spec.server_group_id}} if spec.server_group_id else {}
    return {"server": server, **hints}


def _mapping(disk: Disk) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "uuid": disk.volume_id,
        "source_type": "volume",
        "destination_type": "volume",
        "boot_index": -1 if disk.boot_index is None else disk.boot_index,
        "delete_on_termination": disk.delete_on_termination,
    }
    if disk.disk_bus:
        entry |= {"disk_bus": disk.disk_bus, "device_type": "disk"}
    return entry | ({"device_name": disk.device} if disk.device else {})


def _attachments(server_id: str) -> str:
    return f"/servers/{segment(server_id)}/os-volume_attachments"
