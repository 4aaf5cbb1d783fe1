"""A world to play in: up, up again, gone and up, down, down again."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.processes import Process, Registry

pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    try:
        yield tmp_path
    finally:
        sandbox(tmp_path, "down")


def sandbox(state: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name("sandbox"), *arguments, "--state", state]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def processes(state: Path) -> dict[str, Process]:
    return {process.name: process for process in Registry(state).all()}


def in_its_shell(state: Path, line: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", "-c", f"source {state}/env && {line}"], capture_output=True, text=True, timeout=120)


def test_a_world_comes_up_stays_up_and_goes_down(state: Path) -> None:
    """Up twice is one world, a world that died is replaced with its Protectors, down twice is down, and no process stays."""
    first = sandbox(state, "up")
    assert first.returncode == 0, first.stderr
    assert f"source {state / 'env'}" in first.stdout
    listed = in_its_shell(state, "openstack server list -f value -c Name && openstack dr protection-group list")
    assert (listed.returncode, sorted(listed.stdout.split())) == (0, ["db-server", "web-server-1", "web-server-2"])
    before = processes(state)
    assert sorted(before) == [
        *(f"site-{site}/protector-{name}" for site in "ab" for name in ("api", "engine")),
        "world",
    ]

    assert sandbox(state, "up").returncode == 0
    assert processes(state) == before

    os.kill(before["world"].pid, signal.SIGKILL)
    again = sandbox(state, "up")
    assert again.returncode == 0, again.stderr
    after = processes(state)
    assert all(process.alive for process in after.values())
    assert not any(process.alive for process in before.values())
    told = in_its_shell(state, "openstack dr site list -f value && sandbox check")
    assert told.returncode == 0, told.stdout + told.stderr

    assert "stopped world" in sandbox(state, "down").stdout
    assert not any(process.alive for process in after.values())
    ended = sandbox(state, "down")
    assert (ended.returncode, ended.stdout) == (0, f"nothing ran in {state}\n")
    assert not (state / "env").exists()


def test_a_protector_is_killed_and_started_again(state: Path) -> None:
    """`sandbox fault` kills a site's Protector, which the other site's users notice in a clear message, and starts it with what it knew."""
    assert sandbox(state, "up").returncode == 0
    create = 'openstack dr site create --name site-a --site-type primary --auth-url "$SITE_A_AUTH_URL"'
    assert in_its_shell(state, create).returncode == 0
    assert in_its_shell(state, "sandbox fault kill-protector site-a").returncode == 0
    asked = in_its_shell(state, "openstack dr site list")
    assert asked.returncode == 3
    assert "protector-api of cloud 'site-a' cannot be reached" in asked.stderr
    assert in_its_shell(state, "sandbox fault start-protector site-a").returncode == 0
    assert in_its_shell(state, "openstack dr site list -f value -c Name").stdout.strip() == "site-a"
    assert "nothing of site-c's Protector" in in_its_shell(state, "sandbox fault kill-protector site-c").stderr
