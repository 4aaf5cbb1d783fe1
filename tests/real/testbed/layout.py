"""Where the test bed keeps its files, on which ports it listens, and what its accounts are called.

All secrets here are fixed and worthless on purpose: every listener is bound to 127.0.0.1.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
LOCK = HERE / "lock-2026.1.txt"
TEMPLATES = HERE / "templates"
PLUGINS = HERE / "plugins"
LOOPBACK = "127.0.0.1"

DATABASE_PORT = 23306
RABBIT_PORT = 25672
RABBIT_DISTRIBUTION_PORT = 25673
EPMD_PORT = 24369
ARRAY_CONTROL_PORT = 24430

REGION = "RegionOne"
BACKEND = "pure"
SERVICE_USER, SERVICE_PASSWORD = "openstack", "openstack-s3cr3t"  # the account of the OpenStack services themselves
ADMIN_PASSWORD = "admin-s3cr3t"
DATABASE_USER, DATABASE_PASSWORD = "openstack", "openstack-s3cr3t"
PROTECTOR_PASSWORD = "protector-s3cr3t"

# Port offsets from the base of a site; `protector` is only registered in the catalog, the product listens there.
OFFSETS = {
    "keystone": 500,
    "placement": 778,
    "nova": 774,
    "cinder": 776,
    "neutron": 696,
    "glance": 292,
    "protector": 788,
}
DATABASES = ("keystone", "placement", "glance", "nova_api", "nova", "nova_cell0", "cinder", "neutron")


@dataclass(frozen=True)
class Site:
    """One OpenStack site: its short name (`a`, `b`), first port and array."""

    short: str
    base_port: int
    array_port: int
    array_token: str

    @property
    def name(self) -> str:
        """The name of the site and of its cloud in clouds.yaml."""
        return f"site-{self.short}"

    @property
    def array(self) -> str:
        """The name of the site's array."""
        return f"array-{self.short}"

    @property
    def array_url(self) -> str:
        """The array's REST address; its certificate is the simulator's own."""
        return f"https://{LOOPBACK}:{self.array_port}"

    def port(self, service: str) -> int:
        """The port of one of the services of `OFFSETS`."""
        return self.base_port + OFFSETS[service]

    def url(self, service: str) -> str:
        """The root address of a service; Keystone's carries its version, as the catalog needs it."""
        return f"http://{LOOPBACK}:{self.port(service)}" + ("/v3" if service == "keystone" else "")

    def database_url(self, database: str) -> str:
        """The SQLAlchemy address of one of the site's schemas."""
        return (
            f"mysql+pymysql://{DATABASE_USER}:{DATABASE_PASSWORD}@{LOOPBACK}:{DATABASE_PORT}/{self.short}_{database}"
            "?charset=utf8mb4"
        )

    @property
    def protector_database_url(self) -> str:
        """The schema of the site's Protector, with its own account that sees nothing else."""
        schema = f"protector_{self.short}"
        return f"mysql+pymysql://{schema}:{PROTECTOR_PASSWORD}@{LOOPBACK}:{DATABASE_PORT}/{schema}?charset=utf8mb4"


SITES = {
    "a": Site("a", 21000, 24431, "aaaaaaaa-1111-4111-8111-aaaaaaaaaaaa"),
    "b": Site("b", 22000, 24432, "bbbbbbbb-2222-4222-8222-bbbbbbbbbbbb"),
}


def site_named(name: str) -> Site:
    """The site called `a` or `site-a`; KeyError for any other name."""
    return SITES[name.removeprefix("site-")]


def peer_of(site: Site) -> Site:
    """The other site."""
    return SITES["b" if site.short == "a" else "a"]


@dataclass(frozen=True)
class Layout:
    """The directories below one cache root."""

    root: Path

    @property
    def venv(self) -> Path:
        """The services' virtualenv; a changed lock file is another one."""
        return self.root / f"venv-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]}"

    @property
    def bin(self) -> Path:
        """The services' commands."""
        return self.venv / "bin"

    @property
    def live(self) -> Path:
        """What the running test bed changes: databases, queues, keys, arrays."""
        return self.root / "live"

    @property
    def pristine(self) -> Path:
        """The copy of `live` right after `init`, which `reset` puts back."""
        return self.root / "pristine"

    @property
    def run(self) -> Path:
        """One JSON file per process: pid and start time."""
        return self.root / "run"

    @property
    def log(self) -> Path:
        """Logs, a directory per group of processes."""
        return self.root / "log"

    @property
    def clouds_yaml(self) -> Path:
        """The clouds.yaml for openstacksdk and the `openstack` command."""
        return self.live / "clouds.yaml"

    def etc(self, site: Site) -> Path:
        """The configuration and keys of one site."""
        return self.live / site.name / "etc"

    def data(self, site: Site) -> Path:
        """The files of one site's services."""
        return self.live / site.name / "data"


def default_layout() -> Layout:
    """`$SITERECOVERY_CACHE/openstack`, by default below the user's own cache directory."""
    cache = os.environ.get("SITERECOVERY_CACHE") or "~/.cache/siterecovery"
    return Layout(Path(cache).expanduser() / "openstack")
