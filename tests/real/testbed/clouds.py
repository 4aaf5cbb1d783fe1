"""The clouds.yaml of the test bed, and connections by it."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keystoneauth1.session
import openstack
import yaml
from keystoneauth1.identity import v3

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
def connected(site: Site, account: Account = DR_ADMIN) -> Iterator[Any]:
    """An openstacksdk connection as this account, closed at the end.

    Made from a session of our own, not from clouds.yaml: the SDK's reader of that file warns of a feature it will drop.
    """
    session = keystoneauth1.session.Session(auth=v3.Password(**_auth(site, account)))
    connection = openstack.connection.Connection(session=session, region_name=REGION)
    try:
        yield connection
    finally:
        connection.close()
        session.session.close()


def _auth(site: Site, account: Account) -> dict[str, Any]:
    return {
        "auth_url": site.url("keystone"),
        "username": account.user,
        "password": account.password,
        "project_name": account.project,
        "user_domain_name": "Default",
        "project_domain_name": "Default",
    }


def _cloud(site: Site, account: Account) -> dict[str, Any]:
    return {"region_name": REGION, "identity_api_version": "3", "auth": _auth(site, account)}
