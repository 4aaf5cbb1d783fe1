"""The processes of one site: six APIs and five workers."""

from dataclasses import dataclass, field
from pathlib import Path

from .layout import PLUGINS, Layout, Site
from .process import Supervisor


@dataclass(frozen=True)
class Program:
    """One process to start: its command, and what it needs in its environment."""

    name: str
    command: tuple[str | Path, ...]
    env: dict[str, str] = field(default_factory=dict)


def programs(layout: Layout, site: Site) -> list[Program]:
    """All of a site, Keystone first; whoever starts before what it needs waits for that by itself."""
    etc, log = layout.etc(site), layout.log / site.name
    compute_log = f"--log-file={log / 'nova-compute.log'}"
    # Nova's and Cinder's WSGI applications name their log after the program that serves them, unless told otherwise.
    cinder = (f"--config-file={etc / 'cinder.conf'}", f"--log-file={log / 'cinder-api.log'}")
    compute = (layout.bin / "python", PLUGINS / "serve_compute.py", "--config-file", etc / "nova.conf", compute_log)
    nova = {"OS_NOVA_CONFIG_DIR": str(etc), "OS_NOVA_DISABLE_EVENTLET_PATCHING": "true"}
    neutron = {"OS_NEUTRON_CONFIG_DIR": str(etc), "OS_NEUTRON_CONFIG_FILES": "neutron.conf"}
    return [
        _api(layout, site, "keystone", "keystone.wsgi.api", {"OS_KEYSTONE_CONFIG_DIR": str(etc)}),
        _api(layout, site, "placement", "placement.wsgi.api", {"OS_PLACEMENT_CONFIG_DIR": str(etc)}),
        _worker(layout, site, "nova-conductor", "nova.conf"),
        Program("nova-compute", compute, plugin_path()),
        _worker(layout, site, "nova-scheduler", "nova.conf"),
        _api(layout, site, "nova", "nova.wsgi.osapi_compute", nova, f"--log-file={log / 'nova-api.log'}"),
        _worker(layout, site, "cinder-volume", "cinder.conf"),
        _worker(layout, site, "cinder-scheduler", "cinder.conf"),
        _api(layout, site, "cinder", "cinder.wsgi.api", {}, *cinder),
        _api(layout, site, "neutron", "neutron.wsgi.api", neutron),
        _api(layout, site, "glance", "glance.wsgi.api", {"OS_GLANCE_CONFIG_DIR": str(etc)}),
    ]


def start_site(layout: Layout, supervisor: Supervisor, site: Site, only: str | None = None) -> None:
    """Start a site's processes, or the one called `only`; those that run already are left alone."""
    for program in programs(layout, site):
        if only in (None, program.name):
            supervisor.start(site.name, program.name, program.command, program.env)


def plugin_path() -> dict[str, str]:
    """The environment in which the services find the test bed's plugins."""
    return {"PYTHONPATH": str(PLUGINS)}


def _api(layout: Layout, site: Site, service: str, module: str, env: dict[str, str], *arguments: str) -> Program:
    """A WSGI application on the service's port."""
    command: tuple[str | Path, ...] = (
        layout.bin / "python",
        PLUGINS / "serve_wsgi.py",
        module,
        str(site.port(service)),
        *arguments,
    )
    return Program(f"{service}-api", command, {**plugin_path(), **env})


def _worker(layout: Layout, site: Site, name: str, config: str) -> Program:
    """One of the services' own commands."""
    return Program(name, (layout.bin / name, "--config-file", layout.etc(site) / config), plugin_path())
