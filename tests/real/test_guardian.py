"""What a test run has started does not outlive it, also when it is killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from real.testbed.layout import Layout
from real.testbed.lifecycle import Testbed
from real.testbed.process import wait_until

TESTS = Path(__file__).parents[1]

# Takes the test bed, starts a service on it and says so; then waits to be killed, or leaves in peace when told so.
RUN = """
import sys
from pathlib import Path
from real.testbed.layout import Layout
from real.testbed.lifecycle import Testbed

testbed = Testbed(Layout(Path(sys.argv[1])))
with testbed.held(guarded=True):
    testbed.supervisor.start("service", "sleeper", ["/bin/sleep", "600"])
    print("up", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def testbed(tmp_path: Path) -> Testbed:
    """An empty test bed in a directory of its own."""
    return Testbed(Layout(tmp_path / "openstack"))


def run(testbed: Testbed) -> "subprocess.Popen[str]":
    """A test run with one service up."""
    command = [sys.executable, "-c", RUN, str(testbed.layout.root)]
    env = {**os.environ, "PYTHONPATH": str(TESTS)}
    started = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
    assert started.stdout is not None
    assert started.stdout.readline() == "up\n"
    return started


def test_killed_run_leaves_nothing(testbed: Testbed) -> None:
    """After kill -9 the services are stopped, and the next run has to wait until they are."""
    with run(testbed) as started:
        (service,) = testbed.supervisor.running()
        started.send_signal(signal.SIGKILL)
    with testbed.held():
        assert not service.alive
        assert testbed.supervisor.processes() == []


def test_run_that_ends_is_left_alone(testbed: Testbed) -> None:
    """A run that ends in peace decides itself what stays up."""
    with run(testbed) as started:
        assert started.stdin is not None
        started.stdin.close()
        assert started.wait(60) == 0
        assert [process.name for process in testbed.supervisor.running()] == ["sleeper"]
        testbed.down()
    wait_until("it to end", lambda: None if testbed.supervisor.running() else True, seconds=20)
