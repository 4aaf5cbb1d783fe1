"""`make kubernetes-up` for a person: what is there, what the documented commands do as they are printed, and nothing that stays."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubernetes.demo.shell import ROOT, sandbox, terminal, typed
from sandbox.kubernetes.agent.client import AgentControl
from sandbox.kubernetes.client import wait_until
from sandbox.kubernetes.detached import Detached
from support.kubernetes.shell import ended
from support.playing import left

VMS = ("shop-db", "shop-web", "wiki-db", "wiki-web")
THERE = "kubectl --kubeconfig=cluster2.kubeconfig"
_CONFLICT = 4


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The state directory of clusters with Site Recovery."""
    directory = tmp_path_factory.mktemp("playground")
    try:
        told = sandbox("up", "--site-recovery", "--state", str(directory))
        assert f"cd {directory} && source env" in told
        yield directory
    finally:
        sandbox("down", "--state", str(directory))
        assert left(directory) == []
        assert {path.name for path in directory.iterdir()} == {"lock", "logs", "processes.json"}


def running(state: Path) -> dict[str, set[str]]:
    """The VMs that have a guest, by cluster, as the machines say."""
    planes = Detached(state).description["planes"]
    agents = {name: AgentControl(planes[name]["agent"]) for name in ("cluster1", "cluster2")}
    return {name: {vm for vm in VMS if agent.guests("site-recovery", vm)} for name, agent in agents.items()}


def test_the_installation_is_as_documented(state: Path) -> None:
    """Both Deployments are ready, both definitions are registered, and pgctl reaches every cluster."""
    line = "kubectl --kubeconfig=quorum-cluster.kubeconfig get deployment failover-controller -n site-recovery"
    assert typed(state, line).splitlines()[1].split()[:4] == ["failover-controller", "1/1", "1", "1"]
    assert " 1/1 " in typed(state, "kubectl get deployment protection-group-controller -n site-recovery")
    names = typed(state, "kubectl get crd | grep siterecovery.trilio.io")
    assert "failovers.siterecovery.trilio.io" in names
    assert "protectiongroups.siterecovery.trilio.io" in names
    assert typed(state, "pgctl status --namespace site-recovery").count(" ok ") == 3
    assert "FAILED" not in typed(state, "pgctl clusters validate")
    assert str(state) in typed(state, "pgctl config view")


def sections() -> dict[str, list[str]]:
    """The tutorial's commands by the number of their section; what prepares a shell is left out: every line here has one of its own."""
    text = (ROOT / "docs" / "tutorial-kubernetes.md").read_text()
    found = {}
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        lines = "".join(re.findall(r"```sh\n(.*?)```", section, re.DOTALL)).splitlines()
        found[section.partition(".")[0]] = [line for line in lines if not line.startswith(("make", "cd", "source"))]
    return found


@pytest.mark.timeout(500)
def test_the_tutorial(state: Path) -> None:
    """Every command of the tutorial, in its order, does what its text says; in the end everything runs on cluster2, once."""
    steps = sections()
    for line in steps["1"] + steps["2"]:
        typed(state, line)
    assert running(state)["cluster1"] == set(VMS)
    _two_at_once(state, steps["3"])
    for line in steps["4"][:1]:
        typed(state, line)
    typed(state, f"{THERE} wait protectiongroup pg-a -n site-recovery --for=condition=Ready=False --timeout=60s")
    assert "NotActiveHere" in typed(state, steps["4"][1])
    assert "shop" not in typed(state, steps["4"][2])
    typed(state, steps["4"][3])
    tested, shown, cleaned = (typed(state, line) for line in steps["5"])
    assert "succeeded after" in tested
    assert "shop-db" in shown
    assert "succeeded after" in cleaned
    assert running(state) == {"cluster1": set(VMS), "cluster2": set()}
    _lost_and_back(state, steps["6"])
    (check,) = steps["7"]
    _checked(state, check)


def _two_at_once(state: Path, lines: list[str]) -> None:
    slow, move, locks, lease, quick, home = lines
    typed(state, slow)
    first = terminal(state, move)
    wait_until("the lock", 60, lambda: "pg-a" in typed(state, locks))
    assert "another failover is already in progress" in typed(state, move, _CONFLICT)
    assert "holderIdentity: failover-controller-" in typed(state, lease)
    assert "[SUCCESS]" in ended(first, move)
    typed(state, quick)
    typed(state, home)


def _lost_and_back(state: Path, lines: list[str]) -> None:
    off, planned, *moves, shown, on, groups, instances = lines
    typed(state, off)
    assert "--type unplanned --confirm-source-down" in typed(state, planned, 1)
    for line in moves:
        assert "[SUCCESS]" in typed(state, line)
    assert typed(state, shown).count("Running") == 4
    typed(state, on)
    debts = f"{THERE} get protectiongroups -n site-recovery -o jsonpath='{{.items[*].status.debts}}'"
    wait_until("the debts paid", 120, lambda: typed(state, debts).strip() in ("", "[] []", "[]"))
    assert typed(state, groups).count("cluster2") == 2
    wait_until("nothing at home", 60, lambda: "No resources found" in typed(state, instances))
    assert running(state) == {"cluster1": set(), "cluster2": set(VMS)}


def _checked(state: Path, check: str) -> None:
    """What controllers tell in rounds may take a moment to come true."""
    said: list[str] = []

    def content() -> bool:
        child = terminal(state, check)
        said.append(child.communicate(timeout=60)[0])
        return child.returncode == 0

    try:
        wait_until("a content checker", 60, content)
    except TimeoutError as error:
        raise AssertionError(said[-1]) from error


def test_a_second_up_leaves_what_was_moved(state: Path) -> None:
    """Wherever the groups run, `up` finds everything there: it starts no VM at home a second time."""
    typed(state, "./intelligent-pg-failover-crd.sh pg-a --to-cluster2")
    before = running(state)

    sandbox("up", "--site-recovery", "--state", str(state))

    assert {"shop-db", "shop-web"} <= before["cluster2"]
    assert running(state) == before
    assert " Succeeded " in typed(state, "pgctl operations list --namespace site-recovery --protection-group pg-a")


def test_quorum_can_be_lost_and_regained(state: Path) -> None:
    """One word puts the taints on every node of a cluster, another takes them off."""
    for verb, count in (("lose-quorum", 2), ("regain-quorum", 0)):
        sandbox("fault", "--state", str(state), verb, "cluster2")
        found = typed(state, f"{THERE} get nodes -o jsonpath='{{.items[*].spec.taints[*].key}}'")
        assert found.count("drbd.linbit.com/lost-quorum") == count
