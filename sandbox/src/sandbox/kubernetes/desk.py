"""A person's desk in the state directory: `env` to source, pgctl's configuration, and the documented scripts beside the kubeconfigs."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

NAMESPACE = "site-recovery"  # where the documentation keeps controllers, groups and virtual machines alike
DEPLOY = Path(__file__).parents[4] / "deploy"
_CONFIG = "pgctl.yaml"
_KUBECONFIGS = ("cluster1", "cluster2", "quorum-cluster")


def furnish(state: Path, world: Mapping[str, Any]) -> None:
    """Everything that the documented commands need; `world` is the description in world.json."""
    (state / _CONFIG).write_text(yaml.safe_dump(_pgctl(state), sort_keys=False))
    for script in _scripts():
        link = state / script.name
        link.unlink(missing_ok=True)
        link.symlink_to(script)
    lines = [f"export {name}={shlex.quote(value)}" for name, value in _settings(state, world).items()]
    (state / "env").write_text("\n".join([*lines, f'export PATH={shlex.quote(_path(state))}:"$PATH"', ""]))


def clear(state: Path) -> None:
    """Nothing that leads to clusters which are gone."""
    for name in ("env", _CONFIG, *(script.name for script in _scripts())):
        (state / name).unlink(missing_ok=True)


def environment(state: Path, world: Mapping[str, Any]) -> dict[str, str]:
    """Of a shell that has sourced `env`; a cluster configured in the surrounding one must not be touched."""
    kept = {name: value for name, value in os.environ.items() if name not in ("KUBECONFIG", "PGCTL")}
    path = os.pathsep.join([_path(state), os.environ.get("PATH", os.defpath)])
    return {**kept, **_settings(state, world), "PATH": path}


def _scripts() -> list[Path]:
    """None where the sandbox was installed without its checkout."""
    return sorted((DEPLOY / "scripts").glob("*.sh"))


def _path(state: Path) -> str:
    return os.pathsep.join([str(state / "bin"), str(Path(sys.executable).parent)])


def _settings(state: Path, world: Mapping[str, Any]) -> dict[str, str]:
    """Every cluster is a context, the primary one the current."""
    return {
        "SANDBOX_KUBERNETES": str(state),
        "KUBECONFIG": os.pathsep.join(str(state / f"{name}.kubeconfig") for name in _KUBECONFIGS),
        "PGCTL_CONFIG": str(state / _CONFIG),
        "SANDBOX_STORAGE": str(world["storage"]),
        "LS_CONTROLLERS": str(world["linstor"]),
    }


def _pgctl(state: Path) -> dict[str, Any]:
    primary, dr, quorum = (str(state / f"{name}.kubeconfig") for name in _KUBECONFIGS)
    return {
        "namespace": NAMESPACE,
        "controllerNamespace": NAMESPACE,
        "contexts": {
            "primary": {"cluster": "cluster1", "kubeconfig": primary},
            "dr": {"cluster": "cluster2", "kubeconfig": dr, "aliases": ["dr-cluster"]},
            "quorum": {"cluster": "quorum", "kubeconfig": quorum},
        },
    }
