"""A child process ends when it should, comes back when it should, and never outlives whoever started it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox.kubernetes.child import Child

SLEEP = [sys.executable, "-S", "-c", "import time; print('here', flush=True); time.sleep(300)"]


def wait_for(what: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not what():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)


def exists(pid: int) -> bool:
    """Whether it runs: a zombie that nobody buried yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_child_is_killed_and_started_again(tmp_path: Path) -> None:
    """A killed child stays down until it is started; then it is another process."""
    child = Child("sleeper", SLEEP, tmp_path / "log")
    child.start()
    first = child.pid
    child.kill()
    assert not child.alive
    child.start()
    try:
        assert child.alive
        assert child.pid != first
    finally:
        child.kill()


def test_supervised_child_comes_back(tmp_path: Path) -> None:
    """What crashes is started again, and not any more once it was stopped."""
    child = Child("sleeper", SLEEP, tmp_path / "log", supervised=True)
    child.start()
    try:
        child.crash()
        wait_for(lambda: child.starts == 2 and child.alive)
    finally:
        child.stop()
    assert not child.alive
    assert child.starts == 2


def test_frozen_child_is_ended_too(tmp_path: Path) -> None:
    """A frozen process does nothing, and ends all the same when it is stopped."""
    child = Child("sleeper", SLEEP, tmp_path / "log")
    child.start()
    child.freeze()
    wait_for(lambda: Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T")
    child.stop()
    assert not child.alive


def test_last_words_are_of_the_last_run(tmp_path: Path) -> None:
    """An error message quotes what this run wrote, not an earlier one."""
    (tmp_path / "log").write_text("an earlier run\n")
    child = Child("sleeper", SLEEP, tmp_path / "log")
    child.start()
    try:
        wait_for(lambda: child.last_words() == "here")
    finally:
        child.kill()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_child_ends_with_whoever_started_it(tmp_path: Path, number: signal.Signals) -> None:
    """Even kill -9 of the parent takes the child along."""
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom sandbox.kubernetes.child import Child\n"
        f"child = Child('sleeper', {SLEEP!r}, Path({str(tmp_path / 'log')!r}), supervised=True)\n"
        "child.start()\nprint(child.pid, flush=True)\ntime.sleep(300)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        wait_for(lambda: exists(pid))
        os.kill(parent.pid, number)
        parent.wait()
    wait_for(lambda: not exists(pid))
