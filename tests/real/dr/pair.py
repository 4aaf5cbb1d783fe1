"""Both Protectors, and the operator's command line."""

import json
import os
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from real.dr.protector import BIN, Protector
from real.testbed.environment import Sites
from real.testbed.layout import SITES
from real.testbed.process import wait_until
from support.operator import Operator

PATIENCE = 600.0
ENDED = frozenset({"completed", "failed"})


class Pair:
    """Site-a and site-b with a Protector each. `openstack` is the real command, as the project's operator with both clouds."""

    def __init__(self, sites: Sites) -> None:
        self.sites = sites
        self.protectors = {site.name: Protector(sites, site) for site in SITES.values()}
        self.operator = Operator(
            {
                "sites": {site.name: {"auth_url": site.url("keystone")} for site in SITES.values()},
                "arrays": {site.array: {"url": site.array_url, "token": site.array_token} for site in SITES.values()},
            }
        )

    def begin(self) -> None:
        """Both as freshly installed, knowing one another, with the two projects mapped."""
        self.end()
        with ThreadPoolExecutor(len(self.protectors)) as workers:
            list(workers.map(Protector.begin, self.protectors.values()))
        for site, kind in (("site-a", "primary"), ("site-b", "secondary")):
            url = self.sites[site].url("keystone")
            self.openstack("dr", "site", "create", "--name", site, "--site-type", kind, "--auth-url", url)
        here, there = (self.operator.clients[name].project_id for name in ("site-a", "site-b"))
        remote = ("--remote-site", "site-b", "--remote-project", there)
        self.openstack("dr", "tenant-mapping", "create", "--local-project", here, *remote)
        for client in self.operator.clients.values():
            client.delegations.create()

    def end(self) -> None:
        """Nothing of this stays running."""
        for protector in self.protectors.values():
            protector.kill()

    def lose(self, site: str) -> None:
        """A whole site without a farewell: its clouds, its array, its Protector."""
        self.protectors[site].kill()
        self.sites.stop_site(site)

    def bring_back(self, site: str) -> None:
        """The lost site, as it was when it was lost."""
        self.sites.start_site(site)
        self.protectors[site].start()

    def openstack(self, *arguments: str, code: int = 0, cloud: str = "site-a") -> Any:
        """What the command printed, read as JSON where it is; AssertionError for any other exit code."""
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("OS_")},
            "OS_CLIENT_CONFIG_FILE": str(self.sites.clouds_yaml),
            "OS_CLOUD": cloud,
            "OS_SECONDARY_CLOUD": "site-b" if cloud == "site-a" else "site-a",
        }
        done = subprocess.run(
            [BIN / "openstack", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        said = f"openstack {' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert done.returncode == code, f"{said}\n{self.logs()}"
        try:
            return json.loads(done.stdout)
        except ValueError:
            return done.stdout

    def group(self, name: str, *, cloud: str = "site-a") -> Mapping[str, Any]:
        """A group as one site shows it."""
        found: Mapping[str, Any] = self.openstack("dr", "protection-group", "show", name, "-f", "json", cloud=cloud)
        return found

    def settled(self, group_id: str) -> None:
        """Nothing goes on with a group any more."""
        groups = self.operator.clients["site-a"].protection_groups

        def look() -> bool | None:
            found = groups.get(group_id)
            return True if found["hold_operation_id"] is None else None

        wait_until(f"group {group_id} to settle", look, seconds=PATIENCE, pause=0.2)

    def ended(self, operation_id: str, *, cloud: str = "site-a") -> Mapping[str, Any]:
        """The record of an operation once it has ended."""
        operations = self.operator.clients[cloud].operations

        def look() -> Mapping[str, Any] | None:
            found = dict(operations.get(operation_id))
            return found if found["status"] in ENDED else None

        return wait_until(f"operation {operation_id} to end", look, seconds=PATIENCE, pause=0.3)

    def logs(self) -> str:
        """The ends of the engines' logs, for a failure's message."""
        return "\n".join(f"== {name}\n{p.log()[-4000:]}" for name, p in self.protectors.items())
