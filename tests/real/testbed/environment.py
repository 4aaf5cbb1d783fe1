"""What a test gets: where everything is, and how to lose a site and bring it back."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx

from .clouds import connected
from .infra import array_state
from .layout import ARRAY_CONTROL_PORT, LOOPBACK, SITES, Site, site_named
from .lifecycle import Testbed
from .names import DR_ADMIN, Account
from .process import Supervisor


class Sites:
    """Both running sites. `site-a` and `site-b` are the names of the sites, of their clouds, and of the arrays' sites."""

    control_url = f"http://{LOOPBACK}:{ARRAY_CONTROL_PORT}"

    def __init__(self, testbed: Testbed) -> None:
        self._testbed = testbed

    def __getitem__(self, name: str) -> Site:
        """The addresses, array token and database addresses of a site, by `site-a` or `a`."""
        return site_named(name)

    def __iter__(self) -> Any:
        return iter(SITES.values())

    @property
    def supervisor(self) -> Supervisor:
        """For what a test runs on the sites: it is ended with them, whatever happens to the test."""
        return self._testbed.supervisor

    @property
    def live(self) -> Path:
        """The directory of what the running test bed keeps; `reset` clears it."""
        return self._testbed.layout.live

    @property
    def clouds_yaml(self) -> Path:
        """For `OS_CLIENT_CONFIG_FILE`: clouds `site-a` (dr-admin), `site-a-operator`, `-mallory`, `-protector`, `-admin`."""
        return self._testbed.layout.clouds_yaml

    @property
    def array_ca(self) -> Path:
        """The PEM file that verifies both arrays."""
        return array_state(self._testbed.layout) / "array-ca.pem"

    def cloud(self, name: str, account: Account = DR_ADMIN) -> AbstractContextManager[Any]:
        """An openstacksdk connection to a site, to be closed by leaving the `with`."""
        return connected(self[name], account)

    def stop_site(self, name: str, *, array: bool = True) -> None:
        """Lose a site without a farewell: its services are killed and (unless told otherwise) its array drops all calls."""
        if array:
            self._array(name, "down")
        self._testbed.down([self[name]], kill=True)

    def start_site(self, name: str) -> None:
        """Bring a lost site back: its array first, then its services; returns when they are ready."""
        self._array(name, "up")
        self._testbed.up([self[name]])

    def _array(self, name: str, state: str) -> None:
        httpx.post(
            f"{self.control_url}/sites/{self[name].name}/{state}", timeout=10, trust_env=False
        ).raise_for_status()
