"""Which clusters there are, by what names, and how each is reached.

A cluster is the one this controller runs in, or a Secret labelled `siterecovery.trilio.io/cluster: <name>` in the controllers' own namespace, which
tenants cannot read: a kubeconfig under the key `kubeconfig`, further names in an annotation. A changed Secret gives a new client."""

import asyncio
import base64
import dataclasses
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.clusters.access import Access, from_text
from siterecovery.kubevirt.clusters.client import ClusterClient
from siterecovery.kubevirt.domain.names import ALIASES, CLUSTER_LABEL
from siterecovery.kubevirt.domain.resources import SECRETS

LOG = logging.getLogger(__name__)
_KEYS = ("kubeconfig", "value", "config")
"""Where the kubeconfig is in a Secret: our own key first, then those of Cluster API and of kubectl's users."""


class UnknownCluster(base.ClusterError):
    """No cluster has this name, nor this alias."""


@dataclasses.dataclass(frozen=True)
class Known:
    name: str
    aliases: tuple[str, ...]
    version: str
    """Of the Secret: when it changes the client is made anew."""
    client: base.Cluster | None
    problem: str = ""


class Registry:
    """`refresh` reads the Secrets; between two of them everything is answered from memory."""

    def __init__(
        self,
        local: base.Cluster,
        namespace: str,
        *,
        aliases: Iterable[str] = (),
        make: Callable[[str, Access], base.Cluster] = ClusterClient,
    ) -> None:
        self._local = local
        self._namespace = namespace
        self._make = make
        here = Known(local.name, tuple(aliases), "", local)
        self._here = here
        self._known: dict[str, Known] = {local.name: here}

    @property
    def local(self) -> base.Cluster:
        return self._local

    @property
    def names(self) -> list[str]:
        return sorted(self._known)

    def resolve(self, name: str) -> str:
        """The cluster's own name for a name or an alias."""
        if name in self._known:
            return name
        for known in self._known.values():
            if name in known.aliases:
                return known.name
        raise UnknownCluster(
            f"no cluster is called {name}: known are {', '.join(self.names)}."
            f" Create a Secret labelled {CLUSTER_LABEL}: {name} with its kubeconfig in namespace {self._namespace}"
        )

    def same(self, one: str, other: str) -> bool:
        """True when both name the same cluster; unknown names are equal only to themselves."""
        if one == other:
            return True
        try:
            return self.resolve(one) == self.resolve(other)
        except UnknownCluster:
            return False

    def get(self, name: str) -> base.Cluster:
        """The client of a cluster by name or alias."""
        known = self._known[self.resolve(name)]
        if known.client is None:
            raise base.BadAccess(f"cluster {known.name} cannot be used: {known.problem}", cluster=known.name)
        return known.client

    def aliases(self, name: str) -> tuple[str, ...]:
        return self._known[self.resolve(name)].aliases

    async def refresh(self) -> None:
        """Reads the Secrets once. On an error the clusters stay as they were known."""
        listing = await self._local.list(SECRETS, self._namespace, labels=CLUSTER_LABEL)
        known = {self._here.name: self._here}
        for secret in listing.items:
            found = self._from_secret(secret)
            if found.name in known:
                here = known[found.name]
                known[found.name] = dataclasses.replace(here, aliases=(*here.aliases, *found.aliases))
            else:
                known[found.name] = found
        dropped = [old.client for old in self._known.values() if not _kept(old, known)]
        self._known = known
        await asyncio.gather(*(client.close() for client in dropped if client is not None))

    def _from_secret(self, secret: Mapping[str, Any]) -> Known:
        metadata = secret["metadata"]
        name = metadata["labels"][CLUSTER_LABEL]
        aliases = tuple(part for part in (metadata.get("annotations") or {}).get(ALIASES, "").split(",") if part)
        aliases = tuple(alias.strip() for alias in aliases)
        version = f"{metadata['name']}/{metadata['resourceVersion']}"
        old = self._known.get(name)
        if name == self._here.name:
            return Known(name, aliases, version, None)
        if old is not None and old.version == version:
            return old
        try:
            client = self._make(name, _access(secret))
        except base.BadAccess as error:
            LOG.warning("cluster %s: %s", name, error)
            return Known(name, aliases, version, None, str(error))
        return Known(name, aliases, version, client)

    async def close(self) -> None:
        """Closes all but the local one, which is its maker's."""
        others = [known.client for known in self._known.values() if known.client not in (None, self._local)]
        await asyncio.gather(*(client.close() for client in others if client is not None))


def _kept(old: Known, known: Mapping[str, Known]) -> bool:
    return old.client is None or any(new.client is old.client for new in known.values())


def _access(secret: Mapping[str, Any]) -> Access:
    where = f"Secret {secret['metadata']['name']}"
    data = secret.get("data") or {}
    for key in _KEYS:
        if data.get(key):
            return from_text(base64.b64decode(data[key]).decode(), where)
    raise base.BadAccess(f"{where} holds no kubeconfig under the key {_KEYS[0]}")
