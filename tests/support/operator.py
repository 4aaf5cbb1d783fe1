"""An operator with both clouds in clouds.yaml, without the cost of starting `openstack` for every word: the SDK the commands use."""

import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from keystoneauth1.identity import v3
from keystoneauth1.session import Session

from protectorclient.v1.base import Resource
from protectorclient.v1.client import Client
from protectorclient.v1.operations import TERMINAL
from sandbox.seed import PASSWORD

PATIENCE = 120.0
"""Seconds that anything may take here; nothing should take a tenth of it."""
THERE = {"net-primary-web": "net-secondary-web", "net-primary-db": "net-secondary-db"}
BACK = {there: here for here, there in THERE.items()}
FLAVORS_THERE = {"m1.large": "m2.large"}
FLAVORS_BACK = {"m2.large": "m1.large"}


def session(auth_url: str, user: str = "dr-admin", project: str = "production") -> Session:
    auth = v3.Password(
        auth_url,
        username=user,
        password=PASSWORD,
        project_name=project,
        user_domain_name="Default",
        project_domain_name="Default",
    )
    return Session(auth)


class Operator:
    """`sites` are the world description's; a client per site name."""

    def __init__(self, world: Mapping[str, Any]) -> None:
        self.world = world
        self.sessions = {name: session(site["auth_url"]) for name, site in world["sites"].items()}
        self.clients = {name: Client(found, label=name) for name, found in self.sessions.items()}

    def register(self) -> None:
        """Both sites in both Protectors, each other's keys, and the project `production` mapped in both directions."""
        for name, kind in (("site-a", "primary"), ("site-b", "secondary")):
            identity = self.clients[name].sites.identity()
            attributes = {
                "id": str(uuid.uuid4()),
                "name": name,
                "site_type": kind,
                "auth_url": self.world["sites"][name]["auth_url"],
                **{key: value for key, value in identity.items() if key.endswith("_key")},
            }
            for client in self.clients.values():
                client.sites.create(**attributes)
        for name, other in (("site-a", "site-b"), ("site-b", "site-a")):
            self.clients[name].tenant_mappings.create(
                local_project_id=self.clients[name].project_id,
                remote_site=other,
                remote_project_id=self.clients[other].project_id,
            )
            self.clients[name].delegations.create()

    def protect(self, name: str, servers: Mapping[str, str], settled: Callable[[str], None]) -> str:
        """A group on site-a with its policy and these servers (name → id) as members; its id. `settled` waits until nothing goes on."""
        here = self.clients["site-a"]
        group = str(
            here.protection_groups.create(
                name=name,
                primary_site="site-a",
                secondary_site="site-b",
                replication_type="async",
                volume_type="replicated-ssd",
            ).id
        )
        settled(group)
        one, other = (self.world["arrays"][name] for name in ("array-a", "array-b"))
        here.policies.create(
            group,
            primary_fa_url=one["url"],
            primary_fa_api_token=one["token"],
            secondary_fa_url=other["url"],
            secondary_fa_api_token=other["token"],
            pure_pg_name=f"pg-{name}",
        )
        settled(group)
        for server in servers.values():
            here.members.add(group, server)
            settled(group)
        return group

    def failover(self, group: str, site: str = "site-a", **arguments: Any) -> str:
        """Asks for it; the operation's id."""
        mapping = {"network_mapping": THERE, "flavor_mapping": FLAVORS_THERE}
        return str(self.clients[site].protection_groups.action(group, "failover", **mapping, **arguments).id)

    def failback(self, group: str, site: str = "site-b", **arguments: Any) -> str:
        mapping = {"network_mapping": BACK, "flavor_mapping": FLAVORS_BACK}
        wanted = {"reverse_replication": True, **arguments}
        return str(self.clients[site].protection_groups.action(group, "failback", **mapping, **wanted).id)

    def ended(self, site: str, operation: str) -> Resource:
        """The operation once it is terminal."""

        def look() -> Resource | None:
            found = self.clients[site].operations.get(operation)
            return found if found.status in TERMINAL else None

        return wait_for(f"operation {operation} to end", look)

    def server_list(self, site: str) -> list[dict[str, Any]]:
        """What Nova shows of the project's servers."""
        return list(self._get(site, "compute", "/servers/detail")["servers"])

    def volume_list(self, site: str) -> list[dict[str, Any]]:
        """What Cinder shows of the project's volumes."""
        return list(self._get(site, "volumev3", "/volumes/detail")["volumes"])

    def _get(self, site: str, service: str, path: str) -> Any:
        return self.sessions[site].get(path, endpoint_filter={"service_type": service, "interface": "public"}).json()


def wait_for(what: str, look: Any, pause: float = 0.03, patience: float = PATIENCE) -> Any:
    """The first answer of `look` that is not None."""
    deadline = time.monotonic() + patience
    while True:
        found = look()
        if found is not None:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {patience:.0f} s for {what}")
        time.sleep(pause)
