"""Settings: `protector.conf`, read once into plain values and passed in. Nothing else of Protector knows where they come from.

oslo.config with an instance of its own (no global CONF). `[keystone_authtoken]` and `[oslo_policy]` belong to their libraries, which read them from the same
instance. The names of `[engine]`'s clean-up options and their ranges are the product's documents'.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from oslo_config import cfg

from siterecovery.protector.api.deploy import Limits
from siterecovery.protector.arrays.settings import ArraySettings
from siterecovery.protector.clouds.access import SiteAccess
from siterecovery.protector.domain.errors import BadRequest
from siterecovery.protector.domain.plan import PlanConfig
from siterecovery.protector.domain.secret import Secret

DEFAULT_FILE = "/etc/protector/protector.conf"
SITE_PREFIX = "site:"

_ACCOUNT = [
    cfg.StrOpt("auth_url", help="Keystone of the site."),
    cfg.StrOpt("username", default="protector"),
    cfg.StrOpt("password", secret=True),
    cfg.StrOpt("project_name", default="service"),
    cfg.StrOpt("user_domain_name", default="Default"),
    cfg.StrOpt("project_domain_name", default="Default"),
    cfg.StrOpt("region_name"),
    cfg.StrOpt("interface", default="public"),
    cfg.StrOpt("cafile", help="CA bundle for TLS to the site."),
    cfg.StrOpt("group_type", help="Cinder group type of the groups; the first suitable one when unset."),
    cfg.StrOpt("protector_endpoint", help="The site's Protector, where its catalog does not tell."),
]

OPTIONS: Mapping[str, Sequence[cfg.Opt]] = {
    "DEFAULT": [
        cfg.StrOpt("site_name", help="What this site is called in `site create`."),
        cfg.BoolOpt("debug", default=False),
        cfg.StrOpt("log_file"),
        cfg.StrOpt("state_path", default="/var/lib/protector"),
    ],
    "api": [
        cfg.HostAddressOpt("host", default="127.0.0.1"),
        cfg.PortOpt("port", default=8788),
        cfg.IntOpt("threads", default=16, min=1),
        cfg.IntOpt("max_body", default=1024 * 1024, help="Bytes."),
        cfg.FloatOpt("requests_per_minute", default=0, help="Per user; 0 is no limit."),
    ],
    "engine": [
        cfg.FloatOpt("cleanup_timeout_seconds", default=300, min=60),
        cfg.IntOpt("cleanup_retry_attempts", default=3, min=1),
        cfg.BoolOpt("cleanup_on_test_failover", default=True),
        cfg.BoolOpt("retain_source_volumes_on_failover", default=False),
        cfg.FloatOpt("lease_ttl", default=30, min=1, help="Seconds an engine may be silent before another takes over."),
        cfg.FloatOpt("poll_interval", default=1, min=0.05, help="Seconds between looks for work."),
        cfg.FloatOpt("duty_interval", default=5, min=0.1, help="Seconds between looks at groups at rest and the peer."),
        cfg.FloatOpt(
            "call_timeout", default=60, min=1, help="Seconds a call to a cloud may take, as the client sees it."
        ),
        cfg.FloatOpt(
            "server_call_timeout", default=60, min=0, help="Seconds a service may go on with a call its client gave up."
        ),
        cfg.IntOpt("threads", default=64, min=4),
        cfg.FloatOpt("stop_timeout", default=300, min=1),
        cfg.FloatOpt("boot_timeout", default=900, min=1),
        cfg.FloatOpt("transfer_timeout", default=3600, min=1),
    ],
    "database": [
        cfg.StrOpt("connection", secret=True, help="SQLAlchemy URL: sqlite, mysql+pymysql or postgresql+psycopg.")
    ],
    "service_auth": _ACCOUNT,
    "storage": [
        cfg.StrOpt("driver", default="flasharray"),
        cfg.ListOpt(
            "allowed_array_urls", default=[], help="The only arrays a tenant's policy can make the service call."
        ),
        cfg.StrOpt("ca_file"),
        cfg.BoolOpt("verify", default=True),
        cfg.DictOpt("fingerprints", default={}, help="Pinned SHA-256 certificates by URL."),
        cfg.StrOpt("test_volume_type"),
    ],
    "sync": [cfg.StrOpt("mode", default="auto", choices=["auto", "server", "client"])],
    "secrets": [cfg.StrOpt("key_file"), cfg.StrOpt("identity_key_file")],
}


@dataclasses.dataclass(frozen=True)
class Engine:
    """`[engine]`, in seconds; `plan` is what each accepted operation takes with it."""

    plan: PlanConfig
    lease_ttl: float
    poll_interval: float
    duty_interval: float
    call_timeout: float
    server_call_timeout: float
    threads: int
    stop_timeout: float
    boot_timeout: float
    transfer_timeout: float

    @property
    def drain(self) -> float:
        """Until no call of an engine that lost its lease can arrive any more (DRAIN)."""
        return self.call_timeout + self.server_call_timeout


@dataclasses.dataclass(frozen=True)
class Account:
    """One site's service account; `endpoint` of the Protector there."""

    name: str
    auth_url: str
    username: str
    password: Secret
    project_name: str
    user_domain: str
    project_domain: str
    region_name: str | None
    interface: str
    cafile: str | None
    group_type: str | None
    endpoint: str | None

    def access(self, site_id: str, read_timeout: float) -> SiteAccess:
        return SiteAccess(
            site_id=site_id,
            name=self.name,
            auth_url=self.auth_url,
            username=self.username,
            password=self.password,
            project_name=self.project_name,
            user_domain=self.user_domain,
            project_domain=self.project_domain,
            region_name=self.region_name,
            interface=self.interface,
            cafile=self.cafile,
            read_timeout=read_timeout,
            group_type=self.group_type,
        )


@dataclasses.dataclass(frozen=True)
class Settings:
    """Everything `protector.conf` says. `accounts` by site name, this site's own among them; `conf` is for the libraries only."""

    conf: cfg.ConfigOpts
    site_name: str
    debug: bool
    log_file: str | None
    state_path: Path
    host: str
    port: int
    api_threads: int
    limits: Limits
    engine: Engine
    database: str
    accounts: Mapping[str, Account]
    arrays: ArraySettings
    sync_mode: str
    key_file: Path
    identity_key_file: Path


def options() -> cfg.ConfigOpts:
    conf = cfg.ConfigOpts()
    for group, found in OPTIONS.items():
        conf.register_opts(found, group=None if group == "DEFAULT" else group)
    return conf


def load(files: Sequence[str]) -> Settings:
    """Raises BadRequest with what is wrong, and where."""
    conf = options()
    try:
        conf([], project="protector", default_config_files=list(files))
        return _settings(conf)
    except (cfg.Error, ValueError) as error:
        raise BadRequest(f"The configuration cannot be used: {error}", remedy=f"Correct {', '.join(files)}.") from error


def _settings(conf: cfg.ConfigOpts) -> Settings:
    state = Path(conf.state_path)
    site_name = _needed(conf.site_name, "DEFAULT", "site_name")
    return Settings(
        conf=conf,
        site_name=site_name,
        debug=conf.debug,
        log_file=conf.log_file,
        state_path=state,
        host=conf.api.host,
        port=conf.api.port,
        api_threads=conf.api.threads,
        limits=Limits(max_body=conf.api.max_body, requests_per_minute=conf.api.requests_per_minute),
        engine=_engine(conf),
        database=_needed(conf.database.connection, "database", "connection"),
        accounts=_accounts(conf, site_name),
        arrays=_arrays(conf, site_name, state),
        sync_mode=conf.sync.mode,
        key_file=Path(conf.secrets.key_file or state / "secrets.key"),
        identity_key_file=Path(conf.secrets.identity_key_file or state / "identity.key"),
    )


def _needed(value: str | None, section: str, name: str) -> str:
    if not value:
        raise ValueError(f"[{section}] {name} is not set")
    return value


def _engine(conf: cfg.ConfigOpts) -> Engine:
    wanted = conf.engine
    plan = PlanConfig(
        retain_source_volumes=wanted.retain_source_volumes_on_failover,
        cleanup_on_test_failover=wanted.cleanup_on_test_failover,
        cleanup_timeout_seconds=wanted.cleanup_timeout_seconds,
        cleanup_retry_attempts=wanted.cleanup_retry_attempts,
        test_volume_type=conf.storage.test_volume_type,
    )
    names = [field.name for field in dataclasses.fields(Engine) if field.name != "plan"]
    return Engine(plan=plan, **{name: wanted[name] for name in names})


def _accounts(conf: cfg.ConfigOpts, site_name: str) -> dict[str, Account]:
    sections = {site_name: "service_auth"}
    for section in conf.list_all_sections():
        if section.startswith(SITE_PREFIX):
            conf.register_opts(_ACCOUNT, group=section)
            sections[section.removeprefix(SITE_PREFIX)] = section
    return {name: _account(name, section, conf[section]) for name, section in sections.items()}


def _account(name: str, section: str, found: Any) -> Account:
    return Account(
        name=name,
        auth_url=_needed(found.auth_url, section, "auth_url"),
        username=found.username,
        password=Secret(_needed(found.password, section, "password")),
        project_name=found.project_name,
        user_domain=found.user_domain_name,
        project_domain=found.project_domain_name,
        region_name=found.region_name,
        interface=found.interface,
        cafile=found.cafile,
        group_type=found.group_type,
        endpoint=found.protector_endpoint,
    )


def _arrays(conf: cfg.ConfigOpts, site_name: str, state: Path) -> ArraySettings:
    from siterecovery.protector.clouds.registry import user_agent

    wanted = conf.storage
    return ArraySettings(
        driver=wanted.driver,
        allowed_urls=tuple(wanted.allowed_array_urls),
        user_agent=user_agent(site_name),
        ca_file=Path(wanted.ca_file) if wanted.ca_file else None,
        verify=wanted.verify,
        fingerprints=dict(wanted.fingerprints),
        read_timeout=min(30.0, conf.engine.call_timeout),
        state_path=state,
    )
