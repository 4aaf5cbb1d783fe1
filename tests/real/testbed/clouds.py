"""The clouds.yaml of the test bed, and connections by it."""

import contextlib
from collections.abc import Iterator
from typing import Any

import openstack
import yaml

from .layout import ADMIN_PASSWORD, REGION, SITES, Layout, Site
from .names import ACCOUNTS, DR_ADMIN, Account

BOOTSTRAP = Account("admin", ADMIN_PASSWORD, "admin", ("admin",))


def cloud_name(site: Site, account: Account = DR_ADMIN) -> str:
    """What a site is called in clouds.yaml for an account: `site-a` for dr-admin, else `site-a-operator` and so on."""
    return site.name if account is DR_ADMIN else f"{site.name}-{account.user}"


def write_clouds(layout: Layout) -> None:
    """Write clouds.yaml with every account of both sites."""
    accounts = (*ACCOUNTS, BOOTSTRAP)
    clouds = {cloud_name(site, account): _cloud(site, account) for site in SITES.values() for account in accounts}
    layout.clouds_yaml.parent.mkdir(parents=True, exist_ok=True)
    layout.clouds_yaml.write_text(yaml.safe_dump({"clouds": clouds}))


@contextlib.contextmanager
def connected(layout: Layout, site: Site, account: Account = DR_ADMIN) -> Iterator[Any]:
    """An openstacksdk connection as this account, closed at the end."""
    config = openstack.config.OpenStackConfig(config_files=[str(layout.clouds_yaml)], load_envvars=False)
    connection = openstack.connection.Connection(config=config.get_one(cloud_name(site, account)))
    try:
        yield connection
    finally:
        connection.close()


def _cloud(site: Site, account: Account) -> dict[str, Any]:
    auth = {
        "auth_url": site.url("keystone"),
        "username": account.user,
        "password": account.password,
        "project_name": account.project,
        "user_domain_name": "Default",
        "project_domain_name": "Default",
    }
    return {"region_name": REGION, "identity_api_version": "3", "auth": auth}
