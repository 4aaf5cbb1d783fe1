"""The credentials of the two sites: read from clouds.yaml, flags and environment, used only when something is asked.

OSC would authenticate to OS_CLOUD before a command runs; with the primary site dead, no failover would ever start. So
the commands say `auth_required = False` and come here instead.
"""

import argparse
import functools
import os
from collections.abc import Callable
from typing import Any

from protectorclient import exceptions
from protectorclient.osc import plugin

AUTH_TIMEOUT = (4.0, 15.0)
"""Seconds to connect to the identity service, and to hear from it."""

_AUTH = ("auth_type", "auth_url", "username", "user_id", "password", "passcode", "token", "trust_id", "system_scope")
_SCOPES = ("project", "project_domain", "user_domain", "domain", "tenant", "application_credential")
_CREDENTIALS = {
    *_AUTH,
    "application_credential_secret",
    *(f"{scope}_{key}" for scope in _SCOPES for key in ("id", "name")),
}


class Cloud:
    """One cloud: its client, and which site it is. Nothing is sent before something is asked of it."""

    def __init__(self, label: str, load: Callable[[], Any], api_version: str) -> None:
        self.label = label
        self._load = load
        self._api_version = api_version

    @functools.cached_property
    def session(self) -> Any:
        session = self._region.get_session()
        # keystoneauth takes one number only; requests, below it, tells connecting from waiting for the answer.
        session.timeout = AUTH_TIMEOUT
        return session

    @functools.cached_property
    def client(self) -> Any:
        from protectorclient.v1 import Client

        region = self._region
        return Client(
            self.session,
            api_version=plugin.full_version(self._api_version),
            interface=region.get_interface("protector"),
            region_name=region.get_region_name("protector"),
            endpoint_override=region.config.get("protector_endpoint_override"),
            label=self.label,
        )

    def site_name(self) -> str | None:
        """The name under which the Protector of this cloud is registered; None before it is.

        Not a cached property: up to Python 3.11 those share one lock, and a cloud that hangs would stop the other.
        """
        local = [site for site in self.client.sites.list_for_project() if site.is_local]
        return str(local[0].name) if local else None

    @functools.cached_property
    def _region(self) -> Any:
        from keystoneauth1 import exceptions as ksa
        from openstack import exceptions as sdk
        from osc_lib import exceptions as osc

        try:
            return self._load()
        except (sdk.ConfigException, ksa.MissingRequiredOptions, ksa.NoMatchingPlugin, osc.CommandError) as error:
            raise exceptions.AuthenticationFailed(
                f"The credentials for {self.label} are not complete: {error}",
                remedy="Check clouds.yaml, or the OS_* variables.",
            ) from error

    @property
    def opened(self) -> Any | None:
        """The session if anything was asked of this cloud."""
        return self.__dict__.get("session")


class Clouds:
    """The primary and the secondary cloud of this call; either may be missing."""

    def __init__(self, app: Any) -> None:
        version = app.api_version.get(plugin.API_NAME, plugin.DEFAULT_API_VERSION)
        self.primary = _primary(app, version)
        self.secondary = _secondary(app, version)

    @property
    def known(self) -> list[Cloud]:
        """In the order in which they are asked."""
        found = [cloud for cloud in (self.primary, self.secondary) if cloud is not None]
        if not found:
            raise exceptions.BadInput(
                "No credentials for any site were given",
                remedy="Use --os-cloud (or OS_CLOUD) and --secondary-cloud (or OS_SECONDARY_CLOUD).",
            )
        return found

    @property
    def one(self) -> Cloud:
        """The one that is asked where one is enough."""
        return self.known[0]

    def both(self) -> tuple[Cloud, Cloud]:
        if self.primary is None or self.secondary is None:
            flag = "--os-cloud (or OS_CLOUD)" if self.primary is None else "--secondary-cloud (or OS_SECONDARY_CLOUD)"
            raise exceptions.BadInput(f"This command needs the credentials of both sites: {flag} is missing")
        return self.primary, self.secondary

    @property
    def sessions(self) -> list[Any]:
        opened = [cloud.opened for cloud in (self.primary, self.secondary) if cloud is not None]
        return [session for session in opened if session is not None]

    def close(self) -> None:
        for session in self.sessions:
            session.session.close()


def _primary(app: Any, version: str) -> Cloud | None:
    config = app.cloud.config
    if not (config.get("auth_url") or (config.get("auth") or {}).get("auth_url") or app.options.cloud):
        return None
    label = f"cloud '{app.options.cloud}'" if app.options.cloud else "the primary cloud"
    return Cloud(label, lambda: _region(app, argparse=_primary_options(app.options)), version)


def _primary_options(options: argparse.Namespace) -> argparse.Namespace:
    """With OS_CLOUD set, the individual OS_* credentials are ignored, as documented; flags given by hand still count."""
    if not options.cloud:
        return options
    kept = {name: value for name, value in vars(options).items() if not _from_environment(name, value)}
    return argparse.Namespace(**kept)


def _from_environment(name: str, value: Any) -> bool:
    if name not in _CREDENTIALS or not value:
        return False
    # osc_lib copies project_* to tenant_* and back.
    names = {name, name.replace("tenant_", "project_"), name.replace("project_", "tenant_")}
    return value in {os.environ.get(f"OS_{other.upper()}") for other in names}


def _secondary(app: Any, version: str) -> Cloud | None:
    name = getattr(app.options, "secondary_cloud", None)
    if not name:
        return None
    common = {name: True for name in ("insecure", "timing") if getattr(app.options, name)}
    return Cloud(f"cloud '{name}'", lambda: _region(app, cloud=name, **common), version)


def _region(app: Any, **arguments: Any) -> Any:
    """The configuration of one cloud, with `Default` for the domains that nobody named, as documented."""
    config = app.cloud_config.get_one(validate=False, **arguments).config
    named = config | (config.get("auth") or {})
    defaults = {}
    if str(named.get("auth_type") or "password").endswith("password"):
        for noun, key in (("user", "username"), ("project", "project_name")):
            if named.get(key) and not (named.get(f"{noun}_domain_id") or named.get(f"{noun}_domain_name")):
                defaults[f"{noun}_domain_name"] = "Default"
    return app.cloud_config.get_one(**defaults, **arguments)
