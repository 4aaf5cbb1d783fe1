"""The supervisor of the test bed: what it starts is found again, and what it stops is gone with its children."""

import os
import signal
import sys
from pathlib import Path

import pytest

from real.testbed.errors import StartError
from real.testbed.layout import Layout
from real.testbed.process import Process, Supervisor, read_stat, wait_until

# Prints the pid of a child that sleeps, and waits for it; deaf to SIGTERM when told so.
PARENT = """
import signal, subprocess, sys
if "deaf" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen(["/bin/sleep", "600"])
print(child.pid, flush=True)
child.wait()
"""


@pytest.fixture
def supervisor(tmp_path: Path) -> Supervisor:
    """A supervisor with a directory of its own."""
    return Supervisor(Layout(tmp_path))


def start(supervisor: Supervisor, *arguments: str) -> tuple[Process, int]:
    """A parent under supervision, and the pid of its child."""
    supervisor.start("group", "parent", [sys.executable, "-c", PARENT, *arguments])
    log = supervisor.log("group", "parent")
    text = wait_until("the child's pid", lambda: log.read_text() or None, seconds=20)
    return supervisor.processes()[0], int(text)


def test_stop_ends_children_too(supervisor: Supervisor) -> None:
    """Stopping a group leaves neither the process, nor its child, nor its record."""
    process, child = start(supervisor)
    assert process.alive
    assert read_stat(child) is not None
    supervisor.stop(["group"])
    assert not process.alive
    assert read_stat(child) is None
    assert supervisor.processes() == []


def test_kill_reaches_the_deaf(supervisor: Supervisor) -> None:
    """A process that ignores SIGTERM is ended by a kill."""
    process, child = start(supervisor, "deaf")
    supervisor.stop(["group"], kill=True)
    assert not process.alive
    assert read_stat(child) is None


def test_second_start_is_the_first(supervisor: Supervisor) -> None:
    """Starting what runs already changes nothing."""
    process, _ = start(supervisor)
    supervisor.start("group", "parent", ["/bin/false"])
    assert supervisor.running() == [process]
    supervisor.stop(["group"], kill=True)


def test_zombie_and_reused_pid_are_dead(supervisor: Supervisor) -> None:
    """Neither a zombie nor another process with the same pid counts as alive."""
    pid = os.posix_spawn("/bin/sleep", ["sleep", "600"], dict(os.environ))
    stat = read_stat(pid)
    assert stat is not None
    assert not Process("group", "other", pid, stat.start + 1).alive
    os.kill(pid, signal.SIGKILL)
    wait_until("the kill to work", lambda: True if read_stat(pid) is None else None, seconds=20, pause=0.01)
    assert Path(f"/proc/{pid}").exists()  # nobody has collected it yet: a zombie
    assert not Process("group", "zombie", pid, stat.start).alive


def test_death_is_explained(supervisor: Supervisor) -> None:
    """A process that died is named together with its last words."""
    supervisor.start("group", "brief", ["/bin/sh", "-c", "sleep 0.2; echo no such port >&2; exit 1"])
    wait_until("it to die", lambda: None if supervisor.running() else True, seconds=20)
    with pytest.raises(StartError, match=r"(?s)group/brief died.*no such port"):
        supervisor.require("group")
