"""Everything put together, once a process: the same parts for the API, the engine and the management commands."""

import dataclasses
from functools import partial
from typing import Any, cast
from wsgiref.types import WSGIApplication

from keystonemiddleware import auth_token
from oslo_policy import policy as oslo_policy

from siterecovery.protector import planning
from siterecovery.protector.api import deploy
from siterecovery.protector.api.microversion import HIGHEST
from siterecovery.protector.api.policies import list_rules
from siterecovery.protector.api.promises import OwnIdentity
from siterecovery.protector.api.services import Config, Services
from siterecovery.protector.arrays.registry import ArrayDrivers
from siterecovery.protector.clouds.identity import Actor
from siterecovery.protector.clouds.registry import SiteClouds
from siterecovery.protector.clouds.rest import Service
from siterecovery.protector.domain.errors import ProtectorError
from siterecovery.protector.domain.policy import Policy
from siterecovery.protector.domain.site import Site
from siterecovery.protector.domain.states import OperationType
from siterecovery.protector.duties import Duties
from siterecovery.protector.peer.client import HttpPeers
from siterecovery.protector.peer.keys import Identity
from siterecovery.protector.peer.service import PeerService
from siterecovery.protector.peer.transport import HttpTransport
from siterecovery.protector.processes import access
from siterecovery.protector.processes.delegations import Delegations, TenantTrusts
from siterecovery.protector.processes.precheck import CloudPrecheck
from siterecovery.protector.processes.probes import WorldProbes
from siterecovery.protector.processes.settings import Settings
from siterecovery.protector.store.base import Transaction
from siterecovery.protector.store.secrets import Keys
from siterecovery.protector.store.sql_store import SqlStore, open_store
from siterecovery.workflow.abreast import abreast

_KINDS = {"sqlite": "SQLite", "mysql": "MariaDB", "mariadb": "MariaDB", "postgresql": "PostgreSQL"}


@dataclasses.dataclass(frozen=True)
class Parts:
    """What every program may need. `close` gives connections and sessions back."""

    settings: Settings
    store: SqlStore
    identity: Identity
    clouds: SiteClouds
    drivers: ArrayDrivers
    peers: HttpPeers
    duties: Duties

    def close(self) -> None:
        self.clouds.close()
        self.drivers.close()
        self.store.close()


def make_store(settings: Settings) -> SqlStore:
    return open_store(
        settings.database_url.reveal(),
        Keys.from_file(settings.key_file),
        drain=settings.engine.drain,
        lease_ttl=settings.engine.lease_ttl,
        pool_size=settings.database_pool,
    )


def make_parts(settings: Settings) -> Parts:
    """Connects to nothing yet. Raises ProtectorError when a key file is missing or open to others."""
    store = make_store(settings)
    identity = Identity.load_or_create(settings.identity_key_file)
    delegations = Delegations(store, settings.site_name)
    clouds = SiteClouds(access.RegisteredSites(store, settings), own_site=settings.site_name, delegation=delegations)
    delegations.clouds = clouds
    drivers = ArrayDrivers(partial(_policy_of, store), access.arrays(settings))
    peers = HttpPeers(store, identity, settings.site_name, access.peers(settings))
    duties = Duties(store, clouds, peers, settings.site_name)
    return Parts(settings, store, identity, clouds, drivers, peers, duties)


def make_services(parts: Parts) -> Services:
    settings = parts.settings
    public = parts.identity.public
    return Services(
        store=parts.store,
        peers=parts.peers,
        precheck=CloudPrecheck(parts.clouds, partial(_limits, parts.clouds), partial(_site_name, parts.store)),
        sync=parts.duties,
        trusts=TenantTrusts(parts.store, parts.clouds, settings.site_name),
        probes=WorldProbes(parts.store, parts.clouds, parts.drivers, _ProtectorCheck(settings), settings.site_name),
        identity=OwnIdentity(settings.site_name, public.signing_key, public.sealing_key),
        config=make_config(settings),
        replica=PeerService(parts.store, parts.identity, settings.site_name),
    )


def make_config(settings: Settings) -> Config:
    return Config(
        plan=settings.plan,
        flows_available=frozenset(planning.AVAILABLE) | {OperationType.RESET},
        sync_mode=settings.sync.mode,
        allowed_array_urls=settings.storage.allowed_array_urls,
        port=settings.api.port,
        database_kind=database_kind(settings),
        page_size=settings.api.page_size,
    )


def make_app(settings: Settings, services: Services) -> WSGIApplication:
    enforcer = oslo_policy.Enforcer(settings.conf)
    enforcer.register_defaults(list_rules())
    api = settings.api
    limits = deploy.Limits(
        max_body=api.max_body_size,
        max_document=api.max_document_size,
        requests_per_minute=api.requests_per_minute,
        burst=api.request_burst,
        failures_per_minute=api.failures_per_minute,
    )
    return deploy.make_app(services, enforcer, partial(_token_check, settings.conf), limits)


def database_kind(settings: Settings) -> str:
    backend = settings.database_url.reveal().partition(":")[0].partition("+")[0]
    return _KINDS.get(backend, backend)


def _token_check(conf: Any, app: WSGIApplication) -> WSGIApplication:
    checked: WSGIApplication = auth_token.AuthProtocol(app, {"oslo_config_config": conf})
    return checked


def _policy_of(store: SqlStore, group_id: str) -> tuple[Policy, str, str] | None:
    def read(tx: Transaction) -> tuple[Policy, str, str] | None:
        group, policy = tx.groups.get(group_id), tx.policies.get(group_id)
        return (policy, group.primary_site_id, group.secondary_site_id) if group and policy else None

    return store.run(read)


def _site_name(store: SqlStore, site_id: str) -> str:
    found = store.run(lambda tx: tx.sites.get(site_id))
    return found.name if found is not None else site_id


def _limits(clouds: SiteClouds, site_id: str, project_id: str) -> tuple[dict[str, Any], dict[str, Any]]:
    actor = cast(Actor, clouds.tenant(site_id, project_id).identity)
    nova, cinder = abreast(*(partial(Service(actor, kind).get, "/limits") for kind in ("compute", "block-storage")))
    return nova["limits"]["absolute"], cinder["limits"]["absolute"]


class _ProtectorCheck:
    """Asks a site's Protector, found as the peer is, what it can do."""

    def __init__(self, settings: Settings) -> None:
        self._own = settings.site_name
        self._transports = {
            name: HttpTransport(found, settings.site_name) for name, found in access.peers(settings).items()
        }

    def __call__(self, site: Site) -> str:
        if site.name == self._own:
            return "ok"
        transport = self._transports.get(site.name)
        if transport is None:
            return f"Nothing is configured for it: add [site:{site.name}]"
        try:
            said = transport.request("GET", "/openapi.json")
        except ProtectorError as error:
            return error.detail
        spoken = str(said.get("info", {}).get("version", ""))
        same = spoken.partition(".")[0] == str(HIGHEST.major)
        return "ok" if same else f"Its Protector speaks version {spoken or 'unknown'}, this one {HIGHEST}"
