"""The configuration files of one site, rendered from `templates/`."""

import shutil
from string import Template

from .infra import transport_url
from .layout import (
    BACKEND,
    DATABASES,
    OFFSETS,
    REGION,
    SERVICE_PASSWORD,
    SERVICE_USER,
    TEMPLATES,
    Layout,
    Site,
    peer_of,
)

FILES = (
    "keystone.conf",
    "placement.conf",
    "glance-api.conf",
    "nova.conf",
    "cinder.conf",
    "cinder-policy.yaml",
    "neutron.conf",
)
DIRECTORIES = ("nova", "neutron", "cinder/coordination", "glance/images", "glance/staging", "glance/tasks")


def write_configuration(layout: Layout, site: Site) -> None:
    """Write every file anew, and make the directories they name."""
    etc = layout.etc(site)
    etc.mkdir(parents=True, exist_ok=True)
    (layout.log / site.name).mkdir(parents=True, exist_ok=True)
    for directory in DIRECTORIES:
        (layout.data(site) / directory).mkdir(parents=True, exist_ok=True)
    names = _names(layout, site)
    account = Template((TEMPLATES / "service_account.inc").read_text()).substitute(names).strip()
    for file in FILES:
        text = Template((TEMPLATES / file).read_text()).substitute(names, service_account=account)
        (etc / file).write_text(text)
    shutil.copy(layout.venv / "etc" / "nova" / "api-paste.ini", etc)  # Nova's API looks for it beside nova.conf


def _names(layout: Layout, site: Site) -> dict[str, object]:
    """What the templates may name."""
    peer = peer_of(site)
    names: dict[str, object] = {
        "site": site.name,
        "region": REGION,
        "backend": BACKEND,
        "venv": layout.venv,
        "etc": layout.etc(site),
        "data": layout.data(site),
        "log": layout.log / site.name,
        "service_user": SERVICE_USER,
        "service_password": SERVICE_PASSWORD,
        "transport_url": transport_url(site),
        "array_port": site.array_port,
        "array_token": site.array_token,
        "peer_array": peer.array,
        "peer_array_port": peer.array_port,
        "peer_array_token": peer.array_token,
    }
    names |= {f"{service}_url": site.url(service) for service in OFFSETS}
    names |= {f"{database}_database": site.database_url(database) for database in DATABASES}
    return names
