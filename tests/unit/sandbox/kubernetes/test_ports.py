"""Two worlds that start at once never get the same port."""

import random
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.kubernetes import ports

HOLD = """
import sys
from sandbox.kubernetes import ports
ports._RANGE, ports._TRIES = range({0}, {0} + 1), 1
print(ports.free_port(), flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def claims(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Claims of this test only."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)


def only(monkeypatch: pytest.MonkeyPatch, *choice: int) -> None:
    """Let there be no other ports."""
    monkeypatch.setattr(ports, "_RANGE", range(choice[0], choice[-1] + 1))
    monkeypatch.setattr(ports, "_TRIES", len(choice))


def unused() -> int:
    """The first of two neighbouring ports that nobody listens on, where neither worlds nor the kernel look for one."""
    for port in random.sample(range(12000, 19000), 200):
        with socket.socket() as one, socket.socket() as two:
            try:
                one.bind(("127.0.0.1", port))
                two.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
        return port
    raise AssertionError("no two neighbouring ports are free")


def test_port_is_given_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two ports both are given, and then there is none."""
    first = unused()
    only(monkeypatch, first, first + 1)
    assert {ports.free_port(), ports.free_port()} == {first, first + 1}
    with pytest.raises(OSError, match="no free port"):
        ports.free_port()


def test_port_of_another_process_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """What another process has claimed is its own until it ends, though nobody listens there yet."""
    port = unused()
    only(monkeypatch, port)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD.format(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert int(other.stdout.readline()) == port
        with pytest.raises(OSError, match="no free port"):
            ports.free_port()
        other.communicate()
    assert ports.free_port() == port


def test_port_that_is_listened_on_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """A listener is respected, whoever it is."""
    port = unused()
    only(monkeypatch, port)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", port))
        listener.listen()
        with pytest.raises(OSError, match="no free port"):
            ports.free_port()
