"""The `failover-controller` process: killed, ended, replaced, deceived, and asked to work in the model of two clusters."""

import signal
import zlib
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from kubernetes.failover.world import FailoverController
from sandbox.kubernetes.client import wait_until
from sandbox.kubernetes.ports import free_port


@pytest.fixture
def starter(ready_planes, group_controllers, tmp_path):
    """Starts controllers on a plane; all are ended afterwards."""
    made = []

    def start(plane=None, *flags):
        directory = tmp_path / str(len(made))
        directory.mkdir()
        linstor = ("--linstor", ready_planes.storage.linstor)
        made.append(FailoverController(plane or ready_planes.quorum, directory, *linstor, *flags))
        made[-1].start()
        return made[-1]

    yield start
    for controller in made:
        controller.kill()


def slow(stage, **seconds):
    for cluster in stage.planes.clusters:
        cluster.agent.set(**seconds)


def test_a_killed_controller_is_replaced(starter, stage):
    """SIGKILL in the middle: the next process goes on at once, with the same lock, and the Failover succeeds."""
    stage.group("pg-a", vms=1)
    slow(stage, stop=3)
    first = starter()
    failover = stage.failover("pg-a").until_begun("stop_source")
    holder = stage.lease("pg-a")["spec"]["holderIdentity"]
    first.kill()

    starter()

    failover.succeeded()
    assert failover.status["epoch"] == 2
    assert "Resumed" in {entry["reason"] for entry in failover.status["history"]}
    assert holder == f"failover-controller-{zlib.crc32(b'quorum/site-recovery') % 100_000:05d}"
    assert stage.running_on("pg-a-vm1") == ["cluster2"]


def test_sigterm_hands_over(starter, stage):
    """It ends with code 0 within seconds, the Failover stays Running with its lock, and the next process ends it."""
    stage.group("pg-a", vms=1)
    slow(stage, stop=5)
    first = starter()
    failover = stage.failover("pg-a").until_begun("stop_source")

    assert first.stop(signal.SIGTERM) == 0

    assert failover.phase == "Running"
    assert stage.lease("pg-a")
    starter()
    failover.succeeded()


def test_one_of_two_replicas_leads(starter, stage):
    """With leader election a second replica waits; when the leader is killed it takes over, after the leader's Lease."""
    stage.group("pg-a", vms=1)
    flags = ("--leader-election", "true", "--lease-seconds", "4")
    port = free_port()
    first = starter(None, *flags, "--identity", "one", "--listen", f"127.0.0.1:{port}")
    wait_until("the leader", 30, lambda: answered(port, "siterecovery_leader 1.0"))
    starter(None, *flags, "--identity", "two")
    slow(stage, stop=3)
    failover = stage.failover("pg-a").until_begun("stop_source")
    assert httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200
    first.kill()

    failover.succeeded()

    assert failover.status["epoch"] == 2


def answered(port, line):
    try:
        return line in httpx.get(f"http://127.0.0.1:{port}/metrics").text.splitlines()
    except httpx.TransportError:
        return False


def test_a_frozen_leader_wakes_up_harmless(starter, stage):
    """SIGSTOP while it waits; another leads and ends the move; woken, it changes nothing any more."""
    group = stage.group("pg-a", vms=1)
    flags = ("--leader-election", "true", "--lease-seconds", "4")
    first = starter(None, *flags, "--identity", "one")
    slow(stage, stop=3)
    failover = stage.failover("pg-a").until_begun("stop_source")
    first.process.send_signal(signal.SIGSTOP)
    starter(None, *flags, "--identity", "two")
    failover.succeeded()
    before = group.get(), group.on(stage.planes.cluster2).get()["spec"], failover.get()
    first.process.send_signal(signal.SIGCONT)
    wait_until("it to notice", 30, lambda: "lost" in first.log.read_text())

    after = group.get(), group.on(stage.planes.cluster2).get()["spec"], failover.get()

    assert after[0]["spec"] == before[0]["spec"]
    assert after[1:] == before[1:]
    assert stage.running_on("pg-a-vm1") == ["cluster2"]


def test_a_failover_that_is_deleted_ends_first(starter, stage):
    """Deleted in the middle it goes on to its end, and only then it is gone; what was not begun is gone at once."""
    stage.group("pg-a", vms=1)
    slow(stage, stop=2)
    starter()
    failover = stage.failover("pg-a").until_begun("stop_source")
    stage.planes.quorum.kubectl("delete", "failover", failover.name, "-n", stage.namespace, "--wait=false")

    failover.until("it to be gone", lambda: not failover.get(), 60)

    assert stage.running_on("pg-a-vm1") == ["cluster2"]
    assert not stage.lease("pg-a")


def test_a_deleted_lease_stops_and_resumes_the_work(starter, stage):
    """Somebody deletes the Lease in the middle: the work stops before its next step, takes the lock again, and ends well."""
    stage.group("pg-a", vms=1)
    slow(stage, stop=6)
    starter(None, "--lock-seconds", "3")
    failover = stage.failover("pg-a").until_begun("stop_source")
    stage.planes.quorum.kubectl("delete", "lease", "failover-lock-pg-a", "-n", stage.namespace)

    failover.succeeded()

    assert failover.status["epoch"] > 1
    assert stage.running_on("pg-a-vm1") == ["cluster2"]


def test_two_clusters_without_a_third(starter, stage):
    """In the model of two clusters each controller carries out what targets its own cluster; the rest stays Pending and says where to create it."""
    stage.group("pg-a", vms=1)
    starter(stage.planes.cluster1)
    starter(stage.planes.cluster2)

    wrong = stage.failover("pg-a", "cluster2", plane=stage.planes.cluster1)
    wrong.until("a message", lambda: "Create it on cluster2" in wrong.message)
    assert wrong.phase == "Pending"

    stage.failover("pg-a", "cluster2", plane=stage.planes.cluster2).succeeded()
    assert stage.running_on("pg-a-vm1") == ["cluster2"]
    stage.failover("pg-a", "cluster1", plane=stage.planes.cluster1).succeeded()
    assert stage.running_on("pg-a-vm1") == ["cluster1"]


def test_two_directions_at_once_on_two_clusters(starter, stage):
    """Created in the same second, each on the cluster it names: the lock lets one of two controllers through at a time. What was refused says
    so, and the group runs where the last one that succeeded has put it."""
    stage.group("pg-a", vms=1)
    slow(stage, stop=3)
    starter(stage.planes.cluster1)
    starter(stage.planes.cluster2)
    targets = {cluster.name: cluster for cluster in stage.planes.clusters}

    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda name: stage.failover("pg-a", name, plane=targets[name]).until_ended(), targets))

    succeeded = [failover for failover in both if failover.phase == "Succeeded"]
    assert succeeded
    refused = [failover.message for failover in both if failover not in succeeded]
    assert [message for message in refused if "Failed to acquire failover lock for pg-a" not in message] == []
    last = max(succeeded, key=lambda failover: failover.status["completedAt"])
    assert stage.running_on("pg-a-vm1") == [last.status["targetCluster"]]
    assert not any(stage.lease("pg-a", cluster) for cluster in targets.values())
