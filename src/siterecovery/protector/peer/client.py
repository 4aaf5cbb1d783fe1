"""The asking side: signed requests to the group's other site.

`HttpPeers` reads from this site's own database who the other site is, its public keys and the tenant mapping; it keeps one connection per site.
"""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar, cast

from siterecovery.protector.domain.codec import CodecError, from_json, to_json
from siterecovery.protector.domain.epoch import Generation
from siterecovery.protector.domain.errors import Conflict, Forbidden, NotFound, RemoteSiteUnreachable
from siterecovery.protector.domain.protection_group import ProtectionGroup
from siterecovery.protector.domain.site import Site
from siterecovery.protector.domain.states import GroupStatus
from siterecovery.protector.peer import adoption, document
from siterecovery.protector.peer.base import Document, Peer, View
from siterecovery.protector.peer.envelope import Kind, Message, Signed, opened, sign
from siterecovery.protector.peer.keys import Identity
from siterecovery.protector.peer.transport import HttpTransport, PeerAccess, Transport
from siterecovery.protector.store.base import Store, Transaction

T = TypeVar("T")

GROUP_UNKNOWN = "protection_group.not_found"


class HttpPeers:
    """`access` is by site name, from the configuration. `connect` is how a transport is made; tests put two services in one process."""

    def __init__(
        self,
        store: Store,
        identity: Identity,
        site_name: str,
        access: Mapping[str, PeerAccess],
        *,
        connect: Callable[[PeerAccess, str], Transport] = HttpTransport,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._identity = identity
        self._site_name = site_name
        self._access = dict(access)
        self._connect = connect
        self._clock = clock
        self._lock = threading.Lock()
        self._transports: dict[str, Transport] = {}

    def of(self, group: ProtectionGroup) -> Peer:
        def read(tx: Transaction) -> tuple[Site, str | None]:
            other = adoption.counterpart(tx, group, self._site_name)
            mapping = tx.tenants.mapping(group.project_id, other.id)
            return other, mapping.remote_project_id if mapping else None

        other, project_id = self._store.run(read)
        if project_id is None:
            raise Forbidden(
                f"Project {group.project_id} is mapped to no project of site '{other.name}'.",
                code="tenant_mapping.missing",
                remedy="An admin maps it on both sites: tenant-mapping create.",
            )
        return HttpPeer(self._transport(other), self._identity, self._site_name, other, project_id, self._clock)

    def _transport(self, other: Site) -> Transport:
        with self._lock:
            transport = self._transports.get(other.name)
            if transport is None:
                access = self._access.get(other.name)
                if access is None:
                    raise RemoteSiteUnreachable(
                        f"Nothing is configured for site '{other.name}'.",
                        remedy=f"Add [site:{other.name}] with this site's service credentials there.",
                    )
                transport = self._transports[other.name] = self._connect(access, self._site_name)
            return transport


class HttpPeer:
    """One group's counterpart. `project_id` is the group's project over there."""

    def __init__(
        self,
        transport: Transport,
        identity: Identity,
        site_name: str,
        other: Site,
        project_id: str,
        clock: Callable[[], float],
    ) -> None:
        self._transport = transport
        self._identity = identity
        self._site_name = site_name
        self._other = other
        self._project_id = project_id
        self._clock = clock

    def view(self, group: ProtectionGroup) -> View | None:
        found = self._read(group, "/view")
        return None if found is None else self._parsed(View, found.get("view"))

    def fetch(self, group: ProtectionGroup) -> Document | None:
        found = self._read(group, "")
        if found is None:
            return None
        message = opened(
            found.get("replica"),
            kind=Kind.REPLICA,
            group_id=group.id,
            sender=self._other,
            receiver=self._site_name,
            now=self._clock(),
        )
        return document.load(message.body.get("document", {}), self._identity, group_id=group.id)

    def push(self, document: Document) -> bool:
        group = document.group
        signed = self._signed(Kind.REPLICA, group.id, {"document": self._dumped(document)})
        answer = self._transport.request("PUT", self._path(group, ""), {"replica": signed})
        return bool(self._told(answer, "accepted", bool))

    def forget(self, group: ProtectionGroup) -> None:
        self._act(Kind.FORGET, group, {"epoch": group.failover_epoch})

    def claim(self, group: ProtectionGroup, operation_id: str, base_epoch: int, newest_known: int) -> int:
        body = {"operation_id": operation_id, "base_epoch": base_epoch, "newest_known": newest_known}
        return int(self._told(self._act(Kind.CLAIM, group, body), "epoch", int))

    def revoke(self, group: ProtectionGroup, operation_id: str) -> Literal["revoked", "committed"]:
        outcome = self._told(self._act(Kind.REVOKE, group, {"operation_id": operation_id}), "outcome", str)
        if outcome not in ("revoked", "committed"):
            raise self._incomprehensible("outcome")
        return cast(Literal["revoked", "committed"], outcome)

    def commit(self, operation_id: str, generation: Generation, status: GroupStatus, document: Document) -> int:
        body = {
            "operation_id": operation_id,
            "generation": to_json(generation),
            "status": status.value,
            "document": self._dumped(document),
        }
        return int(self._told(self._act(Kind.COMMIT, document.group, body), "version", int))

    def hold(self, group: ProtectionGroup, operation_id: str) -> None:
        self._act(Kind.HOLD, group, {"operation_id": operation_id})

    def release(self, group: ProtectionGroup, operation_id: str) -> None:
        self._act(Kind.RELEASE, group, {"operation_id": operation_id})

    def fence(self, group: ProtectionGroup, epoch: int) -> None:
        self._act(Kind.FENCE, group, {"epoch": epoch})

    def _act(self, kind: Kind, group: ProtectionGroup, body: dict[str, Any]) -> dict[str, Any]:
        signed = self._signed(kind, group.id, body)
        return self._transport.request("POST", self._path(group, f"/{kind}"), {"replica": signed})

    def _read(self, group: ProtectionGroup, what: str) -> dict[str, Any] | None:
        """None only where the Protector over there says that it does not know the group."""
        try:
            return self._transport.request("GET", self._path(group, what))
        except NotFound as error:
            if error.code != GROUP_UNKNOWN:
                raise RemoteSiteUnreachable(
                    f"No Protector of this version answers for site '{self._other.name}': {error.detail}",
                    remedy="Check its endpoint and its version.",
                ) from error
            return None

    def _path(self, group: ProtectionGroup, what: str) -> str:
        return f"/{self._project_id}/protection-groups/{group.id}/replica{what}"

    def _signed(self, kind: Kind, group_id: str, body: dict[str, Any]) -> Signed:
        return sign(
            Message(kind, self._site_name, self._other.name, group_id, int(self._clock()), body), self._identity
        )

    def _dumped(self, found: Document) -> dict[str, Any]:
        if not self._other.sealing_key:
            raise Conflict(
                f"Site '{self._other.name}' has no sealing key here, so nothing can be written for it.",
                code="site.keys_missing",
                remedy="Register the site again (site create exchanges the keys of both Protectors).",
            )
        return document.dump(found, sealing_key=self._other.sealing_key)

    def _parsed(self, kind: type[T], data: Any) -> T:
        try:
            return from_json(kind, data, lenient=True)
        except CodecError as error:
            raise self._incomprehensible(str(error)) from error

    def _told(self, answer: dict[str, Any], name: str, kind: type) -> Any:
        if type(answer.get(name)) is not kind:
            raise self._incomprehensible(name)
        return answer[name]

    def _incomprehensible(self, what: str) -> RemoteSiteUnreachable:
        """Whether it was applied is unknown: the same class as no answer."""
        return RemoteSiteUnreachable(
            f"The answer of site '{self._other.name}' cannot be understood ({what}).",
            remedy="Check its endpoint, and that both Protectors have versions that understand one another.",
        )
