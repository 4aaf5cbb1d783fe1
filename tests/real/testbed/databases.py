"""The schemas of one site, from nothing: the services' own migration commands."""

import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from .errors import StartError
from .infra import create_schemas
from .layout import ADMIN_PASSWORD, REGION, Layout, Site
from .services import plugin_path


def migrations(layout: Layout, site: Site) -> list[Callable[[], None]]:
    """The work of preparing a site's databases, in parts that may run beside one another."""
    create_schemas(layout, site)
    return [
        lambda: _keystone(layout, site),
        lambda: _nova(layout, site),
        lambda: _neutron(layout, site),
        lambda: _rest(layout, site),
    ]


def discover_hosts(layout: Layout, site: Site) -> None:
    """Let Nova's scheduler see the compute host at once, not at its next round."""
    _manage(layout, site, "nova-manage", "nova.conf", "cell_v2", "discover_hosts")


def _keystone(layout: Layout, site: Site) -> None:
    def manage(*arguments: str) -> None:
        _manage(layout, site, "keystone-manage", "keystone.conf", *arguments)

    owner = ("--keystone-user", str(os.getuid()), "--keystone-group", str(os.getgid()))
    manage("db_sync")
    manage("fernet_setup", *owner)
    manage("credential_setup", *owner)
    urls = [f"--bootstrap-{interface}-url={site.url('keystone')}" for interface in ("public", "internal", "admin")]
    manage("bootstrap", f"--bootstrap-password={ADMIN_PASSWORD}", f"--bootstrap-region-id={REGION}", *urls)


def _nova(layout: Layout, site: Site) -> None:
    def manage(*arguments: str) -> None:
        _manage(layout, site, "nova-manage", "nova.conf", *arguments)

    manage("api_db", "sync")
    manage("cell_v2", "map_cell0", "--database_connection", site.database_url("nova_cell0"))
    manage("cell_v2", "create_cell", "--name", "cell1")
    manage("db", "sync")


def _neutron(layout: Layout, site: Site) -> None:
    _manage(layout, site, "neutron-db-manage", "neutron.conf", "upgrade", "heads")


def _rest(layout: Layout, site: Site) -> None:
    placement = {"OS_PLACEMENT_CONFIG_DIR": str(layout.etc(site))}
    _manage(layout, site, "placement-manage", "placement.conf", "db", "sync", env=placement)
    _manage(layout, site, "cinder-manage", "cinder.conf", "db", "sync")
    _manage(layout, site, "glance-manage", "glance-api.conf", "db_sync")


def _manage(
    layout: Layout, site: Site, program: str, config: str, *arguments: str, env: Mapping[str, str] | None = None
) -> None:
    """Run a service's management command; what it prints goes to a log, whose end is in the error."""
    log = Path(layout.log / site.name / f"{program}.out")
    settings = {**plugin_path(), "PYTHONWARNINGS": "ignore", "OS_NOVA_DISABLE_EVENTLET_PATCHING": "true", **(env or {})}
    command = [str(layout.bin / program), "--config-file", str(layout.etc(site) / config), *arguments]
    with log.open("ab") as output:
        done = subprocess.run(command, env={**os.environ, **settings}, stdout=output, stderr=output, check=False)
    if done.returncode:
        raise StartError(f"{program} {arguments[0]} failed, log {log}:\n{log.read_text(errors='replace')[-2000:]}")
