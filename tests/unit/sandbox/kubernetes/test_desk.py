"""A person's desk: sourcing `env` is all that the documented commands need, wherever the directory lies."""

import subprocess
from pathlib import Path

import pytest
import yaml

from sandbox.kubernetes import desk

WORLD = {"storage": "http://127.0.0.1:1", "linstor": "http://127.0.0.1:2"}


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A furnished directory with a name that a shell would take apart."""
    made = tmp_path / "my clusters; $HOME"
    made.mkdir()
    desk.furnish(made, WORLD)
    return made


def test_env_survives_any_path(state: Path) -> None:
    """What a shell reads from it is what is there, and the tools of the clusters come before the system's."""
    script = '. ./env && printf "%s\\n" "$PGCTL_CONFIG" "$KUBECONFIG" "$PATH"'
    shell = ["bash", "-euc", script]
    done = subprocess.run(shell, cwd=state, env={"PATH": "/usr/bin"}, capture_output=True, text=True, check=True)
    config, kubeconfig, path = done.stdout.splitlines()
    assert Path(config).is_file()
    assert kubeconfig.split(":") == [str(state / f"{n}.kubeconfig") for n in ("cluster1", "cluster2", "quorum-cluster")]
    assert (path.split(":")[0], path.split(":")[-1]) == (str(state / "bin"), "/usr/bin")


def test_pgctl_knows_every_cluster_by_its_documented_names(state: Path) -> None:
    """Roles, names and aliases as the documentation uses them."""
    contexts = yaml.safe_load((state / "pgctl.yaml").read_text())["contexts"]
    assert {role: each["cluster"] for role, each in contexts.items()} == {
        "primary": "cluster1",
        "dr": "cluster2",
        "quorum": "quorum",
    }
    assert contexts["dr"]["aliases"] == ["dr-cluster"]


@pytest.mark.parametrize("name", ["intelligent-pg-failover-crd.sh", "intelligent-pg-failover.sh"])
def test_the_scripts_lie_beside_the_kubeconfigs(state: Path, name: str) -> None:
    """They run from there under their own names."""
    done = subprocess.run([f"./{name}"], cwd=state, capture_output=True, text=True, check=False)
    assert (done.returncode, f"Usage: {name} " in done.stderr) == (2, True)


def test_a_cluster_of_the_surrounding_shell_is_not_touched(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever KUBECONFIG and PGCTL said before."""
    monkeypatch.setenv("KUBECONFIG", "/home/somebody/.kube/production")
    monkeypatch.setenv("PGCTL", "/opt/other/pgctl")
    given = desk.environment(state, WORLD)
    assert "production" not in given["KUBECONFIG"]
    assert "PGCTL" not in given


def test_furnishing_twice_and_clearing(state: Path) -> None:
    """A second time changes nothing; afterwards nothing leads to clusters that are gone."""
    before = {path.name for path in state.iterdir()}
    desk.furnish(state, WORLD)
    assert {path.name for path in state.iterdir()} == before
    desk.clear(state)
    assert list(state.iterdir()) == []
