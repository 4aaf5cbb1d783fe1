"""`sandbox kubernetes`: three clusters for a person, from nothing and back to nothing."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.kubernetes.attached import AttachedWorld
from sandbox.processes import ProcessError
from support.kubernetes.machines import running, virtual_machine

SANDBOX = Path(sys.executable).with_name("sandbox")


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The state directory of clusters that are up."""
    directory = tmp_path_factory.mktemp("clusters")
    try:
        _sandbox("up", "--state", str(directory))
        yield directory
    finally:
        _sandbox("down", "--state", str(directory))


def _sandbox(*arguments: str) -> str:
    done = subprocess.run([SANDBOX, "kubernetes", *arguments], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr or done.stdout
    return done.stdout


def _shell(state: Path, command: str) -> str:
    """What a person's shell prints in the state directory, with nothing but its `env` sourced."""
    clean = {"HOME": str(state), "PATH": "/usr/bin:/bin"}
    script = f"cd {state} && . ./env && {command}"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=120, check=False, env=clean)
    return done.stdout + done.stderr


@pytest.mark.parametrize("name", ["cluster1", "cluster2", "dr-cluster", "quorum-cluster"])
def test_documented_kubeconfigs_are_there(state: Path, name: str) -> None:
    """Each name that the product's documentation uses opens a cluster."""
    assert "default" in _shell(state, f"kubectl --kubeconfig={name}.kubeconfig get namespaces")


def test_dr_cluster_is_cluster2(state: Path) -> None:
    """dr-cluster is another name of cluster2."""
    nodes = _shell(state, "kubectl --kubeconfig=dr-cluster.kubeconfig get nodes -o name").split()
    assert nodes == ["node/cluster2-node1", "node/cluster2-node2"]


def test_tools_are_on_the_path(state: Path) -> None:
    """helm and virtctl, too, need nothing but the environment."""
    assert _shell(state, "helm version --short").startswith("v3.")
    assert "Client Version" in _shell(state, "virtctl version --client")


def test_status_says_what_runs(state: Path) -> None:
    """Addresses of every part are told."""
    told = _sandbox("status", "--state", str(state))
    assert [line.split()[0] for line in told.splitlines()][:5] == ["world", "cluster1", "cluster2", "quorum", "LINSTOR"]


def test_site_goes_and_comes_back(state: Path) -> None:
    """One word takes a cluster away, another brings it back."""
    _sandbox("fault", "--state", str(state), "power-off", "cluster1")
    assert "was refused" in _shell(state, "kubectl --context cluster1 get nodes")

    _sandbox("fault", "--state", str(state), "power-on", "cluster1")

    assert "cluster1-node1" in _shell(state, "kubectl --context cluster1 get nodes")


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (("freeze", "cluster9"), "there is no freeze of cluster9"),
        (("node", "cluster9", "node1", "dead"), "there is no cluster cluster9"),
        (("times", "cluster1", "noon=12"), "no time is called 'noon'"),
    ],
)
def test_nonsense_is_refused_in_a_sentence(state: Path, fault: tuple[str, ...], told: str) -> None:
    """What cannot be done is said on stderr, with exit code 1."""
    command = [SANDBOX, "kubernetes", "fault", "--state", str(state), *fault]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert told in done.stderr


def test_running_clusters_can_be_attached_to(state: Path, request: pytest.FixtureRequest) -> None:
    """Another process runs VMs on them, kills a control plane and has it back, and leaves them running."""
    world = AttachedWorld(state)
    request.addfinalizer(world.close)
    cluster = world.cluster2
    cluster.api.create(virtual_machine("default", "guest"))
    running(cluster, "default", "guest")
    assert [guest["state"] for guest in cluster.agent.guests("default", "guest")] == ["running"]

    cluster.kill()
    with pytest.raises(OSError, match="refused"):
        cluster.api.get("/readyz")
    cluster.start()

    assert "guest" in cluster.kubectl("get", "vm")
    assert world.storage.get("/drbd")["nodes"].keys() == {*world.cluster1.nodes, *cluster.nodes, *world.quorum.nodes}


def test_the_checker_looks_at_clusters_that_run(state: Path) -> None:
    """Exit code 0 and a line for each rule where all is well, 2 where nothing runs to look at."""
    told = _sandbox("check", "--state", str(state))
    assert "Looked at 3 clusters" in told
    assert [line.split()[0] for line in told.splitlines()[1:]] == ["holds"] * 6

    command = [SANDBOX, "kubernetes", "check", "--state", str(state / "elsewhere")]
    assert subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 2


def test_nothing_to_attach_to_is_told(tmp_path: Path) -> None:
    """Where nothing runs the command that starts it is named."""
    with pytest.raises(ProcessError, match="sandbox kubernetes up"):
        AttachedWorld(tmp_path)


def test_down_leaves_nothing_running(state: Path) -> None:
    """After `down` no process works in the directory any more, and `status` says so."""
    assert _sandbox("down", "--state", str(state)) == "stopped the clusters\n"

    assert _working_in(state) == []
    assert not list(state.glob("*.kubeconfig"))
    assert _sandbox("down", "--state", str(state)).startswith("nothing ran")


def _working_in(directory: Path) -> list[str]:
    """Command lines of living processes that name the directory."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(directory) in line and entry.name != str(os.getpid()):
            found.append(line)
    return found
