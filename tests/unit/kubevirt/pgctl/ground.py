"""pgctl on clusters in memory: run a command line, see what it prints and with which code it ends."""

import asyncio
import datetime
import pathlib

from click.testing import CliRunner, Result

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.domain.resources import DEPLOYMENTS, FAILOVERS, LEASES, PROTECTION_GROUPS
from siterecovery.kubevirt.pgctl import configuration
from siterecovery.kubevirt.pgctl.configuration import Context, Role, Settings
from siterecovery.kubevirt.pgctl.main import pgctl
from siterecovery.kubevirt.pgctl.options import Surroundings
from unit.kubevirt.memory_cluster import MemoryCluster

NOW = datetime.datetime(2024, 10, 31, 20, 0, 0, tzinfo=datetime.UTC)
"""1730404800 in seconds."""
SPACE = "site-recovery"


def ago(**delta):
    return (NOW - datetime.timedelta(**delta)).strftime("%Y-%m-%dT%H:%M:%SZ")


class PlayedClock:
    """Each sleep takes no time, and lets the next thing happen that a controller would do meanwhile."""

    def __init__(self):
        self.passed = 0.0
        self.deeds = []

    def monotonic(self):
        return self.passed

    def now(self):
        return NOW + datetime.timedelta(seconds=self.passed)

    async def sleep(self, seconds):
        self.passed += seconds
        if self.deeds:
            self.deeds.pop(0)()
        await asyncio.sleep(0)


class AnsweringCluster(MemoryCluster):
    """Also says what the credentials may do."""

    def __init__(self, name):
        super().__init__(name)
        self.forbidden = set()
        """Verbs nobody may use here."""

    async def create(self, resource, obj):
        if resource.plural != "selfsubjectaccessreviews":
            return await super().create(resource, obj)
        self._check("create", resource, "")
        asked = obj["spec"]["resourceAttributes"]
        return {**obj, "status": {"allowed": asked["verb"] not in self.forbidden}}


class Ground:
    """Three clusters, a configuration that names them, and the command line."""

    def __init__(self, folder: pathlib.Path, quorum: bool = True):
        self.path = folder / "config.yaml"
        self.clock = PlayedClock()
        self.primary, self.dr = AnsweringCluster("cluster1"), AnsweringCluster("cluster2")
        self.quorum = AnsweringCluster("quorum")
        self.clusters = {"cluster1": self.primary, "cluster2": self.dr}
        contexts = {
            Role.PRIMARY: Context(cluster="cluster1", kubeconfig="/nowhere/1"),
            Role.DR: Context(cluster="cluster2", kubeconfig="/nowhere/2", aliases=["dr-cluster"]),
        }
        if quorum:
            contexts[Role.QUORUM] = Context(cluster="quorum", kubeconfig="/nowhere/q")
            self.clusters["quorum"] = self.quorum
        configuration.save(self.path, Settings(contexts=contexts))

    def run(self, *arguments: str, given: str | None = None, environment=None) -> Result:
        around = Surroundings(
            self.path, lambda site: self.clusters[site.name], self.clock, environment=environment or {}
        )
        return CliRunner().invoke(pgctl, list(arguments), input=given, obj=around)

    def meanwhile(self, *deeds):
        """What happens while the command waits, one at each look."""
        self.clock.deeds += deeds

    def group(self, name="pg-a", *clusters, current="running", desired="running", active="cluster1", epoch=1, **spec):
        for cluster in clusters or (self.primary, self.dr):
            here = cluster.name == active
            wanted = desired if here else "stopped"
            cluster.put(
                PROTECTION_GROUPS,
                {
                    "metadata": {"name": name, "namespace": SPACE, "creationTimestamp": ago(days=5)},
                    "spec": {
                        "desiredState": wanted,
                        "clusters": {"primary": "cluster1", "dr": "cluster2"},
                        "virtualMachines": [{"name": "vm1"}, {"name": "vm2"}],
                        **spec,
                    },
                },
                {
                    "currentState": current if here else "stopped",
                    "activeCluster": active,
                    "epoch": epoch,
                    "location": active,
                },
            )

    def failover(
        self, name, group="pg-a", target="cluster2", on=None, namespace=SPACE, created=None, status=None, **spec
    ):
        metadata = {"name": name, "namespace": namespace, "creationTimestamp": created or ago(minutes=2)}
        whole = {"metadata": metadata, "spec": {"protectionGroup": group, "targetCluster": target, **spec}}
        return (on or self.quorum).put(FAILOVERS, whole, status)

    def says(self, status, on=None, name=None):
        """A deed: the controller writes this status of the only Failover, or of that one."""

        def write():
            cluster = on or self.quorum
            (key,) = [key for key in cluster.objects if key[0] == "failovers" and name in (None, key[2])]
            cluster.put(FAILOVERS, cluster.objects[key], status)

        return write

    def made(self, on=None):
        """The Failovers that were created."""
        return [obj for key, obj in (on or self.quorum).objects.items() if key[0] == "failovers"]

    def controller(self, name, on, ready=1):
        on.put(
            DEPLOYMENTS,
            {"metadata": {"name": name, "namespace": SPACE}, "spec": {"replicas": 1}},
            {"readyReplicas": ready},
        )

    def lock(self, group="pg-a", on=None, holder="failover-controller-12345", owner="uid-1", renewed=None):
        (on or self.quorum).put(
            LEASES,
            {
                "metadata": {
                    "name": f"failover-lock-{group}",
                    "namespace": SPACE,
                    "annotations": {"siterecovery.trilio.io/owner": owner},
                },
                "spec": {
                    "holderIdentity": holder,
                    "leaseDurationSeconds": 300,
                    "acquireTime": renewed or ago(seconds=60),
                    "renewTime": renewed or ago(seconds=10),
                },
            },
        )

    def down(self, cluster):
        cluster.broken = base.Unreachable(f"{cluster.name}: no route to host", cluster=cluster.name)


def steps(*names, state="done"):
    return [{"name": name, "state": state} for name in names]


CHECKED = (
    "acquire_lock",
    "locate_virtual_machines",
    "check_split_brain",
    "check_concurrent_safety",
    "check_replication",
)
BEGUN = {"phase": "Running", "startedAt": ago(), "progress": 40, "steps": steps(*CHECKED, "stop_source")}
SUCCEEDED = BEGUN | {"phase": "Succeeded", "completedAt": ago(), "progress": 100}
