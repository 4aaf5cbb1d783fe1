"""Site Recovery on the three clusters as its chart installs it for LINSTOR, each cluster introduced to the others.

A cluster knows another one by a Secret with the kubeconfig of that cluster's peer account. The Secrets come before the first Pod: a
controller notices a new one only half a minute later.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sandbox.kubernetes.access import Access
from sandbox.kubernetes.client import wait_until
from sandbox.kubernetes.desk import DEPLOY, NAMESPACE
from sandbox.processes import ProcessError

_RELEASE = "site-recovery"
_ALIASES = {"cluster1": "primary", "cluster2": "dr-cluster", "quorum": "quorum-cluster"}
_ASLEEP = {"failoverController.replicas": "0", "protectionGroupController.replicas": "0"}
# Quicker than a production site would ask: a person waits for it. Seconds.
_INTERVALS = {"protectionGroupController.storageInterval": "1", "protectionGroupController.mirrorInterval": "5"}


class Installation:
    """The chart's releases; installing twice is an upgrade."""

    def __init__(self, clusters: Iterable[Access], linstor: str, folder: Path) -> None:
        """`linstor`: URL of its controller; `folder` takes the peers' kubeconfigs, which are secrets."""
        self._clusters = list(clusters)
        self._linstor, self._folder = linstor, folder
        self._chart = DEPLOY / "helm" / "site-recovery"
        if not self._chart.is_dir():
            raise ProcessError(f"the chart is not at {self._chart}; use the sandbox from a checkout of Site Recovery")

    def install(self) -> None:
        """Until every controller is ready (ProcessError with Helm's words when one does not get there)."""
        self.upgrade(_ASLEEP)
        for cluster in self._clusters:
            for other in self._others(cluster):
                self._introduce(cluster, other)
        self.upgrade({})

    def upgrade(self, more: Mapping[str, str]) -> None:
        """Every cluster's release at once, with `more` settings; until the controllers of the new one are ready."""
        with ThreadPoolExecutor(len(self._clusters)) as pool:
            list(pool.map(lambda cluster: self._release(cluster, more), self._clusters))

    def uninstall(self) -> None:
        """Until the last controller has gone too: Helm waits for its own objects only, and the Pods are not among them."""
        for cluster in self._clusters:
            cluster.helm("uninstall", _RELEASE, "--namespace", NAMESPACE, "--wait", "--timeout", "60s")
            for other in self._others(cluster):
                cluster.api.delete(f"/api/v1/namespaces/{NAMESPACE}/secrets/{other.name}-kubeconfig")
        wait_until("the end of the controllers", 60, lambda: not any(_pods(cluster) for cluster in self._clusters))

    def _others(self, cluster: Access) -> list[Access]:
        return [other for other in self._clusters if other is not cluster]

    def _release(self, cluster: Access, more: Mapping[str, str]) -> None:
        values = [
            part for key, value in {**self._values(cluster), **more}.items() for part in ("--set", f"{key}={value}")
        ]
        into = ["--namespace", NAMESPACE, "--create-namespace"]
        patience = ["--take-ownership", "--wait", "--timeout", "110s"]
        cluster.helm("upgrade", "--install", _RELEASE, str(self._chart), *into, *patience, *values)

    def _values(self, cluster: Access) -> dict[str, str]:
        """The quorum cluster carries failovers out, the others look after their groups."""
        quorum = cluster.name == "quorum"
        return {
            "cluster.name": cluster.name,
            "cluster.aliases": f"{{{_ALIASES[cluster.name]}}}",
            "linstor.controllers": f"{{{self._linstor}}}",
            "failoverController.enabled": str(quorum).lower(),
            "protectionGroupController.enabled": str(not quorum).lower(),
            "peer.role": "quorum" if quorum else "workload",
            **_INTERVALS,
        }

    def _introduce(self, cluster: Access, other: Access) -> None:
        file = self._folder / f"{other.name}-peer.kubeconfig"
        if not file.exists():
            other.service_account_kubeconfig(NAMESPACE, "site-recovery-peer", file)
        metadata = {
            "name": f"{other.name}-kubeconfig",
            "namespace": NAMESPACE,
            "labels": {"siterecovery.trilio.io/cluster": other.name},
            "annotations": {"siterecovery.trilio.io/aliases": _ALIASES[other.name]},
        }
        data = {"kubeconfig": base64.b64encode(file.read_bytes()).decode()}
        cluster.api.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data})


def _pods(cluster: Access) -> list[object]:
    found: list[object] = cluster.api.get(f"/api/v1/namespaces/{NAMESPACE}/pods")["items"]
    return found
