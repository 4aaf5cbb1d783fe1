"""What the handlers work with, handed in once by `processes`."""

import dataclasses
import uuid
from collections.abc import Callable

from prometheus_client import CollectorRegistry

from siterecovery.protector.api.precheck import Precheck
from siterecovery.protector.api.promises import MetadataSync, OwnIdentity, Probes, Trusts
from siterecovery.protector.domain.plan import PlanConfig
from siterecovery.protector.domain.states import OperationType
from siterecovery.protector.peer.base import Peers
from siterecovery.protector.peer.service import PeerService
from siterecovery.protector.store.base import Store


def new_id() -> str:
    return str(uuid.uuid4())


@dataclasses.dataclass(frozen=True)
class Config:
    """What the settings say to the handlers. `sync_mode` is auto, server or client; `engine_grace` the seconds after which an engine that
    was not heard of counts as gone; `page_size` the most entries of a list."""

    plan: PlanConfig = dataclasses.field(default_factory=PlanConfig)
    flows_available: frozenset[OperationType] = frozenset(OperationType)
    sync_mode: str = "auto"
    allowed_array_urls: tuple[str, ...] = ()
    port: int = 8788
    database_kind: str = "SQLite"
    engine_grace: float = 30.0
    page_size: int = 100


@dataclasses.dataclass(frozen=True)
class Services:
    """`replica` is the peer protocol's server side; `identity.site_name` is what this Protector calls its own site."""

    store: Store
    peers: Peers
    precheck: Precheck
    sync: MetadataSync
    trusts: Trusts
    probes: Probes
    identity: OwnIdentity
    config: Config = Config()
    replica: PeerService | None = None
    metrics: CollectorRegistry = dataclasses.field(default_factory=CollectorRegistry)
    new_id: Callable[[], str] = new_id
