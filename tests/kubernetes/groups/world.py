"""Groups on real clusters: what tests of controllers need around them."""

import base64
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys

from sandbox.kubernetes import tether
from sandbox.kubernetes.client import wait_until
from support.kubernetes import machines

CRDS = pathlib.Path(__file__).parents[3] / "deploy" / "crds"
HOME = "site-recovery"
"""The controllers' own namespace."""
PROGRAM = "from siterecovery.kubevirt.processes.protection_group_controller import main; raise SystemExit(main())"


def install(planes):
    """CRDs, the controllers' namespace and the Secrets that name the other clusters; once per session."""
    for plane in planes:
        plane.kubectl("apply", "-f", str(CRDS))
        for name in ("protectiongroups", "failovers"):
            plane.kubectl("wait", "--for=condition=Established", f"crd/{name}.siterecovery.trilio.io", "--timeout=30s")
        with contextlib.suppress(Exception):
            plane.kubectl("create", "namespace", HOME)
        for other in planes:
            if other.name != plane.name:
                plane.api.apply(secret(other))


def secret(plane):
    aliases = {"cluster1": "primary", "cluster2": "dr-cluster", "quorum": "quorum-cluster"}[plane.name]
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": f"{plane.name}-kubeconfig",
            "namespace": HOME,
            "labels": {"siterecovery.trilio.io/cluster": plane.name},
            "annotations": {"siterecovery.trilio.io/aliases": aliases},
        },
        "data": {"kubeconfig": base64.b64encode(plane.kubeconfig.read_bytes()).decode()},
    }


class Controller:
    """One `protection-group-controller` process, and its log."""

    def __init__(self, plane, directory, *flags):
        self.plane = plane
        self.log = directory / f"{plane.name}-groups.log"
        self.flags = flags
        self.process = None

    def start(self):
        tied = [
            sys.executable,
            "-I",
            "-S",
            tether.__file__,
            str(os.getpid()),
        ]  # a killed session leaves no controller behind
        where = ["--cluster-name", self.plane.name, "--kubeconfig", self.plane.kubeconfig, "--namespace", HOME]
        quiet = ["--listen", "", "--leader-election", "false"]
        command = [*tied, sys.executable, "-c", PROGRAM, *where, *quiet, *self.flags]
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=out, env=clean(os.environ))

    def stop(self, number=signal.SIGTERM):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(20)
        return self.process.returncode if self.process else None

    def kill(self):
        self.stop(signal.SIGKILL)


def clean(environment):
    return {key: value for key, value in environment.items() if not key.startswith("SITERECOVERY_CLUSTER")}


class Group:
    """One group, as people see it on a cluster."""

    def __init__(self, plane, namespace, name="pg-a"):
        self.plane, self.namespace, self.name = plane, namespace, name
        self.path = f"/apis/siterecovery.trilio.io/v1alpha1/namespaces/{namespace}/protectiongroups/{name}"

    def on(self, plane):
        return Group(plane, self.namespace, self.name)

    def create(self, *members, **spec):
        self.plane.api.create(
            {
                "apiVersion": "siterecovery.trilio.io/v1alpha1",
                "kind": "ProtectionGroup",
                "metadata": {"name": self.name, "namespace": self.namespace},
                "spec": {
                    "clusters": {"primary": "cluster1", "dr": "cluster2"},
                    "virtualMachines": [m if isinstance(m, dict) else {"name": m} for m in members],
                }
                | spec,
            }
        )
        return self

    def get(self):
        return machines.look(self.plane.api, self.path)

    @property
    def status(self):
        return self.get().get("status") or {}

    @property
    def state(self):
        return self.status.get("currentState")

    def condition(self, kind):
        return next((item for item in self.status.get("conditions") or [] if item["type"] == kind), {})

    def rows(self):
        return {row["name"]: row["phase"] for row in self.status.get("virtualMachines") or []}

    def want(self, state):
        self.plane.kubectl(
            *("patch", "protectiongroup", self.name, "-n", self.namespace),
            *("--type=merge", "-p", json.dumps({"spec": {"desiredState": state}})),
        )
        return self

    def until(self, what, ask, seconds=60.0):
        try:
            return wait_until(f"{self.name} on {self.plane.name}: {what}", seconds, ask)
        except Exception as error:
            raise AssertionError(f"{error}; it is {json.dumps(self.get(), indent=1)[-3000:]}") from error

    def until_state(self, state, seconds=60.0):
        def ask():
            found = self.get()
            status = found.get("status") or {}
            current = status.get("observedGeneration") == found.get("metadata", {}).get("generation")
            return current and status.get("currentState") == state

        self.until(state, ask, seconds)
        return self

    def until_condition(self, kind, reason, seconds=60.0):
        self.until(f"{kind}/{reason}", lambda: self.condition(kind).get("reason") == reason, seconds)
        return self.condition(kind)

    def claim(self, epoch, active):
        """As a Failover controller writes authority."""
        self.plane.api.merge(f"{self.path}/status", {"status": {"epoch": epoch, "activeCluster": active}})

    def events(self):
        found = self.plane.api.items(f"/api/v1/namespaces/{self.namespace}/events")
        return {item["reason"]: item["message"] for item in found if item["involvedObject"]["name"] == self.name}


def make(plane, namespace, *names, **options):
    for name in names:
        plane.api.create(machines.virtual_machine(namespace, name, **options))


def instances(plane, namespace):
    found = plane.api.items(f"/apis/kubevirt.io/v1/namespaces/{namespace}/virtualmachineinstances")
    return sorted(item["metadata"]["name"] for item in found)
