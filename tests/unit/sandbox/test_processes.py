"""The sandbox's own processes: found again, never mistaken for others', and told about in clear words."""

import fcntl
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox import stack as stacks
from sandbox.cli import main
from sandbox.processes import Process, Registry
from sandbox.stack import Stack, environment


def sleeper(registry: Registry, name: str) -> Process:
    return registry.start(name, [sys.executable, "-c", "import time; print('hello', flush=True); time.sleep(60)"])


def test_after_a_reboot_nothing_written_down_is_ours(tmp_path: Path) -> None:
    """A pid and a start time of another boot mean another process, even when both happen to be the same."""
    registry = Registry(tmp_path)
    process = sleeper(registry, "world")
    stale = [{"name": "world", "pid": process.pid, "started": process.started, "boot": "another boot"}]
    try:
        (tmp_path / "processes.json").write_text(json.dumps(stale))
        (found,) = Registry(tmp_path).all()
        assert not found.alive
        assert Stack(tmp_path).down() == []
        assert process.alive
    finally:
        registry.stop(process)
    assert not process.alive


def test_everything_is_stopped_and_the_last_one_last(tmp_path: Path) -> None:
    """All end, and the registry is empty afterwards."""
    registry = Registry(tmp_path)
    processes = [sleeper(registry, name) for name in ("world", "site-a/protector-api", "site-b/protector-api")]
    registry.stop_all(last="world")
    assert [process.alive for process in processes] == [False] * 3
    assert registry.all() == []


def test_last_words_are_of_this_start_only(tmp_path: Path) -> None:
    """An error shows what the process said that failed, not what an earlier one said in the same log."""
    registry = Registry(tmp_path)
    registry.logs.mkdir()
    registry.log("world").write_text("said by an earlier world\n")
    registry.stop(registry.start("world", [sys.executable, "-c", "pass"]))
    assert registry.last_words("world") == "(it wrote nothing)"


def test_a_broken_register_is_no_reason_to_guess(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """When processes.json cannot be read, the command says so and what to do, and ends nothing."""
    (tmp_path / "processes.json").write_text('[{"name": "wor')
    assert main(["down", "--state", str(tmp_path)]) == 1
    assert "processes.json cannot be read" in capsys.readouterr().err


def test_one_up_or_down_at_a_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """While one is at work in a directory, another one says so and does nothing."""
    with (tmp_path / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert main(["down", "--state", str(tmp_path)]) == 1
    assert "is at work" in capsys.readouterr().err
    assert main(["down", "--state", str(tmp_path)]) == 0
    assert "nothing ran" in capsys.readouterr().out


def test_a_mistake_in_the_configuration_starts_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is told before any process is there."""
    config = tmp_path / "world.yaml"
    config.write_text("latency: {boots: 3}\n")
    state = tmp_path / "state"
    assert main(["up", "--state", str(state), "--config", str(config)]) == 1
    assert "unknown times boots" in capsys.readouterr().err
    assert not state.exists()


def test_a_port_in_use_is_said_and_leaves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A world that cannot have its port says which, and no process and no half-written world stay."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        config = tmp_path / "world.yaml"
        config.write_text(f"ports: {{control: {port}}}\n")
        state = ["--state", str(tmp_path)]
        assert main(["up", "--world-only", *state, "--config", str(config)]) == 1
    said = capsys.readouterr().err
    assert str(port) in said
    assert "address already in use" in said
    assert Registry(tmp_path).all() == []
    assert not (tmp_path / "world.json").exists()


def test_a_fault_without_a_world_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The directory may stand before or behind the verb; without a world there the answer names the command that makes one."""
    monkeypatch.delenv("SANDBOX_CONTROL", raising=False)
    state = ["--state", str(tmp_path)]
    for line in (["fault", *state, "site-down", "site-a"], ["fault", "site-down", "site-a", *state]):
        assert main(line) == 1
        assert f"no world in {tmp_path}; `sandbox up` makes one" in capsys.readouterr().err


def test_a_protector_whose_port_was_taken_moves(tmp_path: Path) -> None:
    """The configuration keeps everything else, and gets a port that is free."""
    file = tmp_path / "protector.conf"
    file.write_text("[DEFAULT]\nsite_name = site-a\n\n[api]\nhost = 127.0.0.1\nport = 1\n\n[storage]\nca_file = /x%y\n")
    stacks._move_to_port(file, 4711)
    assert file.read_text() == (
        "[DEFAULT]\nsite_name = site-a\n\n[api]\nhost = 127.0.0.1\nport = 4711\n\n[storage]\nca_file = /x%y\n\n"
    )


def test_the_environment_forgets_another_cloud(tmp_path: Path) -> None:
    """A shell that was set up for a real cloud speaks to the sandbox alone after sourcing the file, and finds its commands."""
    description = {
        "clouds_yaml": "/x/clouds.yaml",
        "control": "http://127.0.0.1:1",
        "sites": {"site-a": {"auth_url": "http://127.0.0.1:2/v3"}},
        "arrays": {"array-a": {"url": "https://127.0.0.1:3", "token": "t"}},
    }
    state = tmp_path / "its state"
    state.mkdir()
    (state / "world.json").write_text(json.dumps(description))
    stack = Stack(state)
    stack._write_environment()
    assert (state / "env").stat().st_mode & 0o077 == 0
    done = subprocess.run(
        ["bash", "-c", f"source '{state}/env' && env"],
        env={**os.environ, "OS_USERNAME": "me", "OS_AUTH_URL": "https://real.example", "NO_PROXY": "intern"},
        capture_output=True,
        text=True,
        check=True,
    )
    seen = dict(line.partition("=")[::2] for line in done.stdout.splitlines())
    assert {key for key in seen if key.startswith("OS_")} == {"OS_CLIENT_CONFIG_FILE", "OS_CLOUD", "OS_SECONDARY_CLOUD"}
    assert seen["SANDBOX_STATE"] == str(state)
    assert seen["ARRAY_A_TOKEN"] == environment(description, state)["ARRAY_A_TOKEN"] == "t"
    assert seen["PATH"].split(":")[0] == str(Path(sys.executable).parent)
