"""protector.conf, read once into frozen values: nothing behind this file knows oslo.config, and there is no global CONF.

`[keystone_authtoken]` and `[oslo_policy]` belong to their libraries, which read them from `Settings.conf`.

SettingsError (BadRequest)   the configuration cannot be used: the sentence names section and option, and the process ends with 1
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from oslo_config import cfg
from oslo_policy import opts as policy_opts

from siterecovery.protector.domain.errors import BadRequest
from siterecovery.protector.domain.plan import PlanConfig
from siterecovery.protector.domain.secret import Secret
from siterecovery.protector.processes import options

DEFAULT_FILE = "/etc/protector/protector.conf"
POLICY_FILE = "/etc/protector/policy.yaml"
_SITE = "site:"


class SettingsError(BadRequest):
    """What is wrong with the configuration, for an operator."""

    code, title = "configuration", "The configuration cannot be used"


@dataclasses.dataclass(frozen=True)
class ApiSettings:
    """Bytes, and requests per minute."""

    host: str
    port: int
    threads: int
    max_body_size: int
    max_document_size: int
    requests_per_minute: float
    request_burst: float
    failures_per_minute: float
    page_size: int


@dataclasses.dataclass(frozen=True)
class EngineTimes:
    """`[engine]`; seconds."""

    cleanup_timeout_seconds: float
    cleanup_timeout_floor: float
    cleanup_retry_attempts: int
    cleanup_on_test_failover: bool
    retain_source_volumes_on_failover: bool
    allow_hard_stop: bool
    stop_timeout: float
    boot_timeout: float
    transfer_timeout: float
    lease_ttl: float
    poll_interval: float
    duty_interval: float
    connect_timeout: float
    call_timeout: float
    server_call_timeout: float
    threads: int
    operations: int

    @property
    def drain(self) -> float:
        """Until no call of an engine that lost its lease can arrive any more."""
        return self.call_timeout + self.server_call_timeout


@dataclasses.dataclass(frozen=True)
class AccessSettings:
    """`[service_auth]`, or a peer's `[site:<name>]`."""

    auth_url: str
    username: str
    password: Secret
    project_name: str
    user_domain_name: str
    project_domain_name: str
    region_name: str | None
    interface: str
    cafile: str | None
    group_type: str | None
    protector_endpoint: str | None = None


@dataclasses.dataclass(frozen=True)
class StorageSettings:
    driver: str
    allowed_array_urls: tuple[str, ...]
    ca_file: str | None
    verify: bool
    fingerprints: Mapping[str, str]
    array_ids: Mapping[str, str]
    rest_ceiling: tuple[int, int]
    test_volume_type: str | None


@dataclasses.dataclass(frozen=True)
class SyncSettings:
    """Seconds."""

    mode: str
    connect_timeout: float
    read_timeout: float


@dataclasses.dataclass(frozen=True)
class Settings:
    """`sites` are the peers by name; `conf` is only for the libraries that want it."""

    site_name: str
    debug: bool
    log_file: str | None
    log_json: bool
    state_path: Path
    api: ApiSettings
    engine: EngineTimes
    database_url: Secret
    database_pool: int
    service_auth: AccessSettings
    sites: Mapping[str, AccessSettings]
    storage: StorageSettings
    sync: SyncSettings
    key_file: Path
    identity_key_file: Path
    conf: Any = dataclasses.field(repr=False)

    @property
    def plan(self) -> PlanConfig:
        """What each accepted operation takes with it."""
        engine = self.engine
        return PlanConfig(
            retain_source_volumes=engine.retain_source_volumes_on_failover,
            cleanup_on_test_failover=engine.cleanup_on_test_failover,
            cleanup_timeout_seconds=engine.cleanup_timeout_seconds,
            cleanup_retry_attempts=engine.cleanup_retry_attempts,
            allow_hard_stop=engine.allow_hard_stop,
            test_volume_type=self.storage.test_volume_type,
        )


def load(files: Sequence[str | Path] = ()) -> Settings:
    """From these files, or from the default one. Raises SettingsError."""
    conf = cfg.ConfigOpts()
    options.register(conf)
    named = [str(file) for file in files or (DEFAULT_FILE,)]
    try:
        conf([], project="protector", default_config_files=named)
        policy_opts.set_defaults(conf, policy_file=POLICY_FILE)
        settings = _read(conf)
    except cfg.ConfigFilesNotFoundError as error:
        raise SettingsError(f"The configuration file {', '.join(error.config_files)} cannot be read.") from error
    except cfg.RequiredOptError as error:
        section = getattr(error.group, "name", None) or error.group or "DEFAULT"
        raise SettingsError(f"[{section}] {error.opt_name} is missing.", remedy=f"Set it in {named[-1]}.") from error
    except (cfg.Error, ValueError) as error:
        raise SettingsError(f"The configuration is wrong: {error}", remedy=f"Correct {', '.join(named)}.") from error
    _check(settings)
    return settings


def _read(conf: Any) -> Settings:
    state = Path(conf.state_path)
    return Settings(
        site_name=conf.site_name,
        debug=conf.debug,
        log_file=conf.log_file,
        log_json=conf.log_json,
        state_path=state,
        api=_section(ApiSettings, conf.api),
        engine=_section(EngineTimes, conf.engine),
        database_url=Secret(conf.database.connection),
        database_pool=conf.database.pool_size,
        service_auth=_access(conf.service_auth),
        sites=_peers(conf),
        storage=_storage(conf.storage),
        sync=_section(SyncSettings, conf.sync),
        key_file=Path(conf.secrets.key_file or state / "secrets.key"),
        identity_key_file=Path(conf.secrets.identity_key_file or state / "identity.key"),
        conf=conf,
    )


def _section(kind: type[Any], group: Any, **given: Any) -> Any:
    names = [field.name for field in dataclasses.fields(kind) if field.name not in given]
    return kind(**{name: getattr(group, name) for name in names}, **given)


def _storage(group: Any) -> StorageSettings:
    major, _, minor = group.rest_ceiling.partition(".")
    urls = tuple(group.allowed_array_urls)
    storage: StorageSettings = _section(
        StorageSettings, group, allowed_array_urls=urls, rest_ceiling=(int(major), int(minor))
    )
    return storage


def _access(group: Any, **more: Any) -> AccessSettings:
    values = {option.dest: getattr(group, option.dest) for option in options.ACCESS}
    return AccessSettings(**{**values, "password": Secret(group.password)}, **more)


def _peers(conf: Any) -> dict[str, AccessSettings]:
    """Sections that nobody could know beforehand get their options when they are met."""
    found = {}
    for section in conf.list_all_sections():
        if section.startswith(_SITE):
            conf.register_opts(options.ACCESS + options.PEER, group=section)
            group = conf[section]
            missing = [o.name for o in options.ACCESS if o.required and getattr(group, o.dest) is None]
            if missing:
                raise cfg.RequiredOptError(missing[0], cfg.OptGroup(section))
            found[section.removeprefix(_SITE)] = _access(group, protector_endpoint=group.protector_endpoint)
    return found


def _check(settings: Settings) -> None:
    engine = settings.engine
    if engine.cleanup_timeout_seconds < engine.cleanup_timeout_floor:
        raise SettingsError(
            f"[engine] cleanup_timeout_seconds is {engine.cleanup_timeout_seconds:g}, it must be at least "
            f"{engine.cleanup_timeout_floor:g}."
        )
    if settings.site_name in settings.sites:
        raise SettingsError(f"[site:{settings.site_name}] is this site itself: use [service_auth] for it.")
    wrong = [url for url in settings.storage.allowed_array_urls if not url.startswith(("https://", "http://"))]
    if wrong:
        raise SettingsError(
            f"[storage] allowed_array_urls: {', '.join(wrong)} is not a URL, such as https://array.example.com."
        )


def sample() -> str:
    """An annotated configuration file with every option at its default."""
    lines = ["# protector.conf: every option of Protector. What is commented out has the value shown.", ""]
    for name, group in options.GROUPS.items():
        lines += [f"[{name}]", *_sample_options(list(group))]
    lines += ["# One section for each other site, such as [site:site-b].", "#[site:site-b]"]
    lines += _sample_options([*options.ACCESS, *options.PEER], peer=True)
    lines += ["# Checks callers' tokens: all options of keystonemiddleware.", "[keystone_authtoken]"]
    lines += [f"#{name} = {value}" for name, value in _AUTHTOKEN.items()]
    lines += ["", "[oslo_policy]", f"#policy_file = {POLICY_FILE}", ""]
    return "\n".join(lines)


_HIDDEN = frozenset({"cleanup_timeout_floor"})
"""Not for operators."""
_AUTHTOKEN = {
    "auth_type": "password",
    "auth_url": "https://keystone.example.com/v3",
    "www_authenticate_uri": "https://keystone.example.com/v3",
    "username": "protector",
    "password": "<secret>",
    "project_name": "service",
    "user_domain_name": "Default",
    "project_domain_name": "Default",
    "service_token_roles_required": "true",
}


def _sample_options(group: Sequence[Any], *, peer: bool = False) -> list[str]:
    lines: list[str] = []
    for option in group:
        if option.name not in _HIDDEN:
            needed = option.required and not peer
            lines.append(f"# {option.help}" + (" Required." if option.required else ""))
            lines.append(f"{'' if needed else '#'}{option.name} = {_sample_value(option)}".rstrip())
    return [*lines, ""]


def _sample_value(option: Any) -> str:
    if option.default is None:
        return "<secret>" if option.secret else ""
    if isinstance(option.default, bool):
        return str(option.default).lower()
    return "" if option.default in ([], {}) else f"{option.default}"
