"""A newcomer's first minutes with Kubernetes: the README's command as it is written there, and ways in which it can end otherwise."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubernetes.demo.shell import PATIENCE, ROOT, SANDBOX
from sandbox.kubernetes.detached import Detached
from sandbox.stack import post
from support.playing import Playing, environment, left

PATIENT = pytest.mark.timeout(PATIENCE + 60)


@pytest.fixture
def playing(tmp_path: Path) -> Iterator[Playing]:
    made = Playing(tmp_path, [SANDBOX, "kubernetes", "demo"], environment("SANDBOX_KUBERNETES", tmp_path))
    yield made
    made.end()


@PATIENT
def test_the_readmes_command_shows_a_cluster_lost_and_back(tmp_path: Path) -> None:
    """It ends with 0 after every comparison held, plays the documented commands with their documented outcome, and leaves no process."""
    (command,) = re.findall(r"^(make demo-kubernetes) ", (ROOT / "README.md").read_text(), re.MULTILINE)
    done = subprocess.run(
        command.split(),
        cwd=ROOT,
        env=environment("SANDBOX_KUBERNETES", tmp_path),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^(\d+) of \1 comparisons held", done.stdout, re.MULTILINE)
    assert "NO  " not in done.stdout
    rest = done.stdout
    for line in (
        r"^failover-controller +1/1 ",
        r"^== 2\. Scenario 1",
        r"^\$ \./intelligent-pg-failover-crd\.sh pg-a --to-cluster2$",
        r"^\[SUCCESS\] Failover of pg-a to cluster2 completed successfully$",
        r"^== 3\. Scenario 2",
        r"^\[ERROR\] Failover aborted — another failover is already in progress for this Protection Group$",
        r"^  holderIdentity: failover-controller-\d+$",
        r"^terminal 1 \| \[SUCCESS\] Failover of pg-a to cluster2 completed successfully$",
        r"^== 4\. Scenario 3",
        r"^UNSAFE to remove taints on cluster2 - other Protection Groups have running VMs$",
        r"^  ok  pg-b ran on cluster1 all the time, undisturbed$",
        r"^== 5\. Scenario 4",
        r"^\[SUCCESS\] Failover of pg-b to cluster2 completed \(force mode\)$",
        r"^\$ pgctl failback pg-b --wait ",
        r"^== 6\. Scenario 5",
        r"^terminal 1 \| pg-a +stopped +mixed *$",
        r"^terminal 1 \| pg-a +stopped +stopped *$",
        r"^terminal 1 \| pg-a +running +running *$",
        r"^== 7\. Scenario 6",
        r"^failover-pg-b-\d+ +pg-b +Failed ",
        r"^== 8\. cluster1 is gone",
        r"--type unplanned --confirm-source-down",
        r"^  ok  nothing was started on cluster2 ",
        r"^\[SUCCESS\] Failover of pg-b to cluster2 completed successfully$",
        r"^      wiki-web-disk +write (\d+) +write \1 +0$",
        r"^== 9\. cluster1 comes back",
        r"^  ok  on the returned cluster no VM got its disk: none ran there$",
        r"^  ok  the checker looked everywhere and found nothing wrong$",
        r"^== 11\. Survived ==",
    ):
        found = re.search(line, rest, re.MULTILINE)
        assert found, f"{line} is not in\n{rest}"
        rest = rest[found.end() :]
    assert left(tmp_path) == []
    assert list((tmp_path / "demo" / "logs").glob("*failover-controller.log"))


@PATIENT
def test_ctrl_c_ends_everything(playing: Playing) -> None:
    """Pressed in the middle of a command it ends the demo with 130, says where the logs are, and leaves no process."""
    playing.until("terminal 1 | [INFO] Creating Failover CR")
    os.killpg(playing.process.pid, signal.SIGINT)
    assert playing.process.wait(120) == 128 + signal.SIGINT
    assert f"nothing runs any more. Logs: {playing.state / 'logs'}" in playing.said
    assert left(playing.state) == []


@PATIENT
def test_a_failed_move_is_no_success(playing: Playing) -> None:
    """When cluster2 is gone before the first move, the failover fails, the demo says so, ends with 1, and leaves no process."""
    playing.until("  ok  nothing runs on cluster2")
    post(f"{Detached(playing.state).description['control']}/planes/cluster2/power-off", {})
    assert playing.process.wait(PATIENCE) == 1
    assert re.search(r"^Stopped early: `", playing.said, re.MULTILINE)
    assert "It did not end well" in playing.said
    assert left(playing.state) == []
