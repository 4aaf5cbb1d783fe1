"""Deployments run: as local processes, with a ServiceAccount's rights, their own address, probes and logs."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from sandbox.kubernetes.client import wait_until
from sandbox.kubernetes.cluster import Cluster
from sandbox.kubernetes.world import World
from sandbox.processes import ProcessError
from support.kubernetes.machines import Object

PATIENCE = 120.0
PYTHON = Path(sys.executable).name

# What a controller does in its first second: say where it is, read the API as its account, serve its probe.
CONTROLLER = """
import http.server, os, subprocess, sys
print("greeting:", os.environ["GREETING"], "in", os.environ["NAMESPACE"], flush=True)
print("file:", open(sys.argv[1]).read(), flush=True)
got = subprocess.run([os.environ["KUBECTL"], "get", "secrets"], capture_output=True, text=True)
print("secrets:", got.stdout, got.stderr, flush=True)
class Healthy(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *a):
        pass
http.server.HTTPServer((os.environ["POD_IP"], 8081), Healthy).serve_forever()
"""


@pytest.fixture
def quorum(planes: World) -> Cluster:
    """The cluster without VMs."""
    return planes.quorum


def _field(name: str, path: str) -> Object:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def _container(cluster: Cluster, script: str, **more: Any) -> Object:
    environment: list[Object] = [
        {"name": "WHO", "value": "world"},
        {"name": "GREETING", "value": "hello $(WHO)"},
        {"name": "KUBECTL", "value": str(cluster.programs["kubectl"])},
        _field("NAMESPACE", "metadata.namespace"),
        _field("POD_IP", "status.podIP"),
    ]
    command = [PYTHON, "-u", "-c", script, "/etc/greeting/text"]
    mounts = [{"name": "text", "mountPath": "/etc/greeting"}]
    return {
        "name": "main",
        "image": "example/controller:1",
        "command": command,
        "env": environment,
        "volumeMounts": mounts,
        **more,
    }


def _deploy(cluster: Cluster, namespace: str, *containers: Object) -> None:
    for item in (
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "controller", "namespace": namespace}},
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "text", "namespace": namespace},
            "data": {"text": "from the map"},
        },
    ):
        cluster.api.create(item)
    spec = {
        "serviceAccountName": "controller",
        "terminationGracePeriodSeconds": 5,
        "containers": list(containers),
        "volumes": [{"name": "text", "configMap": {"name": "text"}}],
    }
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "controller", "namespace": namespace},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": "controller"}},
            "template": {"metadata": {"labels": {"app": "controller"}}, "spec": spec},
        },
    }
    cluster.api.create(deployment)


def _pods(cluster: Cluster, namespace: str) -> list[Object]:
    return cluster.api.items(f"/api/v1/namespaces/{namespace}/pods", labelSelector="app=controller")


def _row(cluster: Cluster, namespace: str) -> Object:
    """The first container's status."""
    rows: list[Object] = [
        row for pod in _pods(cluster, namespace) for row in pod.get("status", {}).get("containerStatuses") or []
    ]
    return rows[0] if rows else {}


def _waits_for(cluster: Cluster, namespace: str) -> str:
    return str(_row(cluster, namespace).get("state", {}).get("waiting", {}).get("reason", ""))


def _logs(cluster: Cluster, namespace: str) -> str:
    try:
        return cluster.kubectl("logs", "-l", "app=controller", "-n", namespace, "--tail=-1")
    except ProcessError as error:
        return str(error)


def _available(cluster: Cluster, namespace: str) -> bool:
    told = json.loads(cluster.kubectl("get", "deployment", "controller", "-n", namespace, "-o", "json"))
    return bool(told["status"].get("availableReplicas") == 1)


def _alive(pattern: str) -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if pattern in line:
            found.append(entry.name)
    return found


def test_deployment_runs_as_its_account(quorum: Cluster, namespace: str) -> None:
    """Environment, mounted file, probe and account are what its Pod says; `kubectl logs -l` shows what it printed."""
    probe = {"httpGet": {"path": "/healthz", "port": 8081}, "periodSeconds": 1}
    _deploy(quorum, namespace, _container(quorum, CONTROLLER, readinessProbe=probe))

    wait_until("the Deployment", PATIENCE, lambda: _available(quorum, namespace))

    told = _logs(quorum, namespace)
    assert f"greeting: hello world in {namespace}" in told
    assert "file: from the map" in told
    assert f'User "system:serviceaccount:{namespace}:controller" cannot list resource "secrets"' in told


def test_crashing_container_backs_off_and_keeps_its_last_words(quorum: Cluster, namespace: str) -> None:
    """A process that ends is started again, with its restarts counted and its earlier log kept."""
    _deploy(quorum, namespace, _container(quorum, "print('last words', flush=True); raise SystemExit(3)"))

    wait_until("a restart", PATIENCE, lambda: _row(quorum, namespace).get("restartCount", 0) >= 1)

    assert _row(quorum, namespace)["lastState"]["terminated"]["exitCode"] == 3
    previous = quorum.kubectl("logs", "-l", "app=controller", "-n", namespace, "--previous")
    assert previous == "last words\n"


def test_deleted_deployment_ends_its_process(quorum: Cluster, namespace: str) -> None:
    """When a Deployment goes its process is asked to end, and the Pod goes with it."""
    script = f"import time; time.sleep(600)  # {namespace}"
    _deploy(quorum, namespace, _container(quorum, script))
    wait_until("the process", PATIENCE, lambda: _alive(script))

    quorum.kubectl("delete", "deployment", "controller", "-n", namespace)

    wait_until("its end", PATIENCE, lambda: not _alive(script) and not _pods(quorum, namespace))


def test_dead_node_kills_its_processes(planes: World, namespace: str) -> None:
    """The processes of a node without power are gone; when it is back they run again, as restarts."""
    cluster = planes.quorum
    script = f"import time; time.sleep(600)  # {namespace}"
    _deploy(cluster, namespace, _container(cluster, script))
    wait_until(
        "the process", PATIENCE, lambda: _alive(script) and "running" in _row(cluster, namespace).get("state", {})
    )

    cluster.agent.node(cluster.nodes[0], "dead")
    try:
        wait_until("its end", PATIENCE, lambda: not _alive(script))
    finally:
        cluster.agent.reset()

    wait_until("its return", PATIENCE, lambda: _alive(script))
    wait_until("its count", PATIENCE, lambda: _row(cluster, namespace)["restartCount"] == 1)


def test_image_that_is_not_here_is_told(quorum: Cluster, namespace: str) -> None:
    """A program that is not installed shows as ErrImagePull, with what is missing."""
    _deploy(quorum, namespace, {"name": "main", "image": "example/nowhere:2"})

    wait_until("the refusal", PATIENCE, lambda: "waiting" in _row(quorum, namespace).get("state", {}))

    waiting = _row(quorum, namespace)["state"]["waiting"]
    assert waiting["reason"] == "ErrImagePull"
    assert "nowhere is not installed" in waiting["message"]


def test_missing_secret_keeps_a_container_from_being_created(quorum: Cluster, namespace: str) -> None:
    """A Secret that an environment needs is waited for, and the Pod runs when it is there."""
    needed = {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "key", "key": "value"}}}
    container = _container(quorum, "import os, time; print('key', os.environ['KEY'], flush=True); time.sleep(600)")
    container["env"].append(needed)
    _deploy(quorum, namespace, container)
    wait_until("the wait", PATIENCE, lambda: _waits_for(quorum, namespace) == "CreateContainerConfigError")

    quorum.kubectl("create", "secret", "generic", "key", "--from-literal=value=turned", "-n", namespace)

    wait_until("the log", PATIENCE, lambda: "key turned" in _logs(quorum, namespace))


def test_logs_can_be_followed_from_the_end(quorum: Cluster, namespace: str) -> None:
    """`kubectl logs --tail` shows the last lines only."""
    _deploy(
        quorum, namespace, _container(quorum, "import time; print('one\\ntwo\\nthree', flush=True); time.sleep(600)")
    )
    wait_until("the log", PATIENCE, lambda: "three" in _logs(quorum, namespace))

    assert quorum.kubectl("logs", "-l", "app=controller", "-n", namespace, "--tail=2") == "two\nthree\n"


def test_installed_chart_runs(quorum: Cluster, namespace: str, tmp_path: Path) -> None:
    """helm installs a chart, waits until its Deployment is available, lists it and takes everything away again."""
    script = f"import time; time.sleep(600)  # {namespace} from a chart"
    container = {"name": "main", "image": "example/controller:1", "command": [PYTHON, "-c", script]}
    labels = {"app": "charted"}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "charted"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text(json.dumps({"apiVersion": "v2", "name": "charted", "version": "1.0.0"}))
    (tmp_path / "templates" / "deployment.yaml").write_text(json.dumps(deployment))

    quorum.helm("install", "charted", str(tmp_path), "-n", namespace, "--wait", "--timeout", "60s")
    assert _alive(script)
    assert "charted-1.0.0" in quorum.helm("list", "-n", namespace)
    quorum.helm("uninstall", "charted", "-n", namespace)

    wait_until("the process's end", PATIENCE, lambda: not _alive(script))
