"""Which clusters there are."""

import asyncio
import base64

import pytest

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.clusters.registry import Registry, UnknownCluster
from siterecovery.kubevirt.domain.resources import SECRETS
from unit.kubevirt.memory_cluster import MemoryCluster

NS = "site-recovery"
CONFIG = """
{current-context: c, contexts: [{name: c, context: {cluster: c}}], clusters: [{name: c, cluster: {server: "http://%s"}}]}
"""


class Client:
    def __init__(self, name, access):
        self.name, self.server, self.closed = name, access.server, False

    async def close(self):
        self.closed = True


def secret(name, cluster, aliases="", key="kubeconfig", text=None):
    made = SECRETS.header(name, NS)
    made["metadata"] |= {
        "labels": {"siterecovery.trilio.io/cluster": cluster},
        "annotations": {"siterecovery.trilio.io/aliases": aliases},
    }
    data = base64.b64encode((text or CONFIG % cluster).encode()).decode()
    return made | {"data": {key: data}}


def play(story, *secrets):
    async def scene():
        local = MemoryCluster("cluster1")
        for item in secrets:
            local.put(SECRETS, item)
        registry = Registry(local, NS, aliases=["primary"], make=Client)
        await registry.refresh()
        await story(registry, local)
        await registry.close()

    asyncio.run(scene())


def test_names_and_aliases_lead_to_one_client():
    """A cluster is found by its name and by each alias; the local one is the client that was given."""

    async def story(registry, local):
        assert registry.names == ["cluster1", "cluster2"]
        assert registry.get("dr-cluster") is registry.get("cluster2") is registry.get("site-b")
        assert registry.get("primary") is local is registry.local
        assert (registry.same("dr-cluster", "cluster2"), registry.same("cluster1", "cluster2")) == (True, False)
        assert (registry.same("x", "x"), registry.same("x", "cluster1")) == (True, False)
        assert registry.aliases("cluster2") == ("dr-cluster", "site-b")

    play(story, secret("dr-kubeconfig", "cluster2", "dr-cluster, site-b"))


def test_an_unknown_name_says_what_to_do():
    """The known names and the missing Secret are named."""

    async def story(registry, local):
        with pytest.raises(UnknownCluster, match=r"known are cluster1.*labelled siterecovery.trilio.io/cluster: mars"):
            registry.get("mars")

    play(story)


def test_a_changed_secret_gives_a_new_client_and_closes_the_old_one():
    """Without a change the client stays; with one there is another, and a deleted Secret's cluster is unknown again."""

    async def story(registry, local):
        first = registry.get("cluster2")
        await registry.refresh()
        assert registry.get("cluster2") is first
        local.put(SECRETS, secret("dr-kubeconfig", "cluster2", text=CONFIG % "moved"))
        await registry.refresh()
        assert (registry.get("cluster2").server, first.closed) == ("http://moved", True)
        second = registry.get("cluster2")
        local.take(SECRETS, "dr-kubeconfig", NS)
        await registry.refresh()
        assert second.closed
        with pytest.raises(UnknownCluster):
            registry.get("cluster2")

    play(story, secret("dr-kubeconfig", "cluster2"))


def test_a_bad_secret_is_a_cluster_that_cannot_be_used():
    """Its name is known, the reason is said, and the other clusters work; nothing of its content is shown."""

    async def story(registry, local):
        assert registry.resolve("cluster2") == "cluster2"
        with pytest.raises(base.BadAccess, match="cluster cluster2 cannot be used: Secret bad") as caught:
            registry.get("cluster2")
        assert "hidden" not in str(caught.value)
        with pytest.raises(base.BadAccess, match="holds no kubeconfig"):
            registry.get("cluster3")

    play(story, secret("bad", "cluster2", text="[hidden"), secret("empty", "cluster3", key="other"))


def test_a_secret_of_the_local_cluster_only_adds_names():
    """The Secret that other controllers use for this cluster gives it further aliases here."""

    async def story(registry, local):
        assert registry.get("home") is registry.get("primary") is local

    play(story, secret("self", "cluster1", "home"))


def test_what_was_known_stays_while_secrets_cannot_be_read():
    """An API server that does not answer takes no cluster away."""

    async def story(registry, local):
        local.broken = base.TimedOut("frozen")
        with pytest.raises(base.TimedOut):
            await registry.refresh()
        assert registry.names == ["cluster1", "cluster2"]

    play(story, secret("dr-kubeconfig", "cluster2"))
