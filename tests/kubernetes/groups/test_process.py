"""The controller as a process: its probes, its end, its replicas."""

import contextlib
import urllib.error
import urllib.request

import pytest

from kubernetes.groups.world import HOME, Controller, Group
from sandbox.kubernetes.client import wait_until
from sandbox.kubernetes.ports import free_port


def ask(port, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


@pytest.fixture
def process(ready_light_planes, tmp_path):
    """A controller of cluster1, whose VMs and nodes are as the CRDs alone make them: none."""
    ready_light_planes.install_kubevirt_crds()
    made = []

    def start(*flags, log="one"):
        (tmp_path / log).mkdir(exist_ok=True)
        port = free_port()
        controller = Controller(ready_light_planes.cluster1, tmp_path / log, "--listen", f"127.0.0.1:{port}", *flags)
        controller.start()
        made.append(controller)
        return controller, port

    yield start
    for controller in made:
        controller.stop()


def test_probes_and_metrics_and_a_clean_end(process, ready_light_planes, light_namespace):
    """Ready once the lists are in, healthy, with groups counted by state; SIGTERM ends it with 0."""
    controller, port = process()
    wait_until("readiness", 30, lambda: ask(port, "/readyz") == (200, "ok"))
    group = Group(ready_light_planes.cluster1, light_namespace).create("ghost", desiredState="stopped")
    group.until_state("stopped")
    assert ask(port, "/healthz") == (200, "ok")
    assert 'siterecovery_protection_groups{state="stopped"}' in ask(port, "/metrics")[1]
    assert "siterecovery_leader 1.0" in ask(port, "/metrics")[1]
    assert controller.stop() == 0


def test_of_two_replicas_one_works_and_the_other_takes_over(process, ready_light_planes, light_namespace):
    """One leads, both are ready; when the leader ends the other one leads within seconds, and the group is served."""
    election = ("--leader-election", "true", "--lease-seconds", "6")
    first, one = process(*election, log="one")
    wait_until("a leader", 30, lambda: "siterecovery_leader 1.0" in ask(one, "/metrics")[1])
    _, two = process(*election, log="two")
    wait_until("the second one", 30, lambda: ask(two, "/readyz") == (200, "ok"))
    assert "siterecovery_leader 0.0" in ask(two, "/metrics")[1]
    lease = ready_light_planes.cluster1.kubectl(
        *("get", "lease", "protection-group-controller", "-n", HOME, "-o", "jsonpath={.spec.holderIdentity}")
    )
    assert lease.startswith("protection-group-controller-")
    assert first.stop() == 0
    wait_until("the other one to lead", 30, lambda: "siterecovery_leader 1.0" in ask(two, "/metrics")[1])
    group = Group(ready_light_planes.cluster1, light_namespace).create("ghost", desiredState="stopped")
    group.until_state("stopped")


def test_a_wrong_kubeconfig_ends_with_a_sentence(ready_light_planes, tmp_path):
    """What a person can correct is one line on standard error and exit code 1, not a traceback."""
    controller = Controller(ready_light_planes.cluster1, tmp_path, "--kubeconfig", str(tmp_path / "nothing"))
    controller.start()
    with contextlib.suppress(AttributeError):
        controller.process.wait(30)
    assert controller.process.returncode == 1
    said = controller.log.read_text()
    assert said.strip().endswith("cannot be read: No such file or directory")
    assert "Traceback" not in said
