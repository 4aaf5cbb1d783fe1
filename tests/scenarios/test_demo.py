"""A newcomer's first minutes: the README's first command as it is written there, and ways in which it can end otherwise."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.stack import post
from support.playing import Playing, environment, left

ROOT = Path(__file__).parents[2]
SANDBOX = Path(sys.executable).with_name("sandbox")
PATIENCE = 900

pytestmark = pytest.mark.timeout(PATIENCE + 60)


@pytest.fixture
def playing(tmp_path: Path) -> Iterator[Playing]:
    made = Playing(tmp_path, [SANDBOX, "demo"], environment("SANDBOX_STATE", tmp_path))
    yield made
    made.end()


def test_the_readmes_first_command_shows_a_disaster_survived(tmp_path: Path) -> None:
    """It ends with 0 after every comparison held, shows the commands with their outcome, and leaves no process."""
    block = re.search(r"```sh\n(.*?)\n```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert block is not None
    command = block[1].splitlines()[0].partition("#")[0].strip()
    assert command == "make demo"
    done = subprocess.run(
        command,
        shell=True,
        cwd=ROOT,
        env=environment("SANDBOX_STATE", tmp_path),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^(\d+) of \1 comparisons held", done.stdout, re.MULTILINE)
    assert "NO  " not in done.stdout
    for line in (
        r"^\$ openstack dr site create --name site-a ",
        r"^\$ openstack dr failover prod --network-mapping net-primary-web=net-secondary-web ",
        r"recreate_instances$",
        r"^\| steps_completed  \| \[\"validate_sites\"",
        r"^  ok  all 3 VMs run on site-b, and nowhere else",
        r"^\$ openstack dr failback prod --reverse-replication ",
        r"^  ok  no write was lost on any volume",
        r"^\$ openstack dr failover prod --type unplanned ",
        r"^Recovery point: 20",
        r"^      Lost: \d+ writes of each VM",
        r"^holds   One primary",
        r"^== \d+\. Survived ==",
    ):
        assert re.search(line, done.stdout, re.MULTILINE), f"{line} is not in\n{done.stdout}"
    assert left(tmp_path) == []
    assert (tmp_path / "demo" / "logs" / "site-a-protector-engine.log").exists()


def test_ctrl_c_ends_everything(playing: Playing) -> None:
    """Pressed in the middle of a command it ends the demo with 130, says where the logs are, and leaves no process."""
    playing.until("$ openstack dr protection-group create")
    os.killpg(playing.process.pid, signal.SIGINT)
    assert playing.process.wait(60) == 128 + signal.SIGINT
    assert f"nothing runs any more. Logs: {playing.state / 'logs'}" in playing.said
    assert left(playing.state) == []


def test_a_failed_move_is_no_success(playing: Playing) -> None:
    """When site-b can build no server the failover is taken back; the demo says so, ends with 1, and leaves no process."""
    playing.until("$ openstack dr site create --name site-a")
    control = json.loads((playing.state / "world.json").read_text())["control"]
    post(f"{control}/clouds/site-b/builds/fail", {"count": 99, "message": "No valid host was found."})
    assert playing.process.wait(PATIENCE) == 1
    assert "No valid host was found." in playing.said
    assert re.search(r"^Stopped early: `openstack dr failover prod .* exit status 1", playing.said, re.MULTILINE)
    assert "It did not end well" in playing.said
    assert left(playing.state) == []


def test_a_second_demo_waits_its_turn(playing: Playing) -> None:
    """While one plays in a directory another one there ends with 1 and a sentence, and disturbs nothing."""
    playing.until("$ openstack --os-cloud site-a server list")
    second = subprocess.run(
        [SANDBOX, "demo", "--state", playing.state],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert second.returncode == 1
    assert "plays in" in second.stderr
    playing.until("$ openstack dr site create --name site-b")
