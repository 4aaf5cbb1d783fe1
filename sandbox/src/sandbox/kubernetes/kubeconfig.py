"""kubeconfig files with everything in them, so that one file is all a person or a Secret needs."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import yaml

from sandbox.kubernetes.pki import Pair


def by_certificate(pair: Pair) -> dict[str, Any]:
    """The user entry of somebody known by certificate."""
    return {"client-certificate-data": _encoded(pair.certificate), "client-key-data": _encoded(pair.key)}


def by_token(token: str) -> dict[str, Any]:
    """The user entry of a ServiceAccount."""
    return {"token": token}


def write(file: Path, *, cluster: str, server: str, authority: Path, user: dict[str, Any]) -> Path:
    """One cluster, one user, one context, all called as the cluster; readable by its owner only."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": cluster, "cluster": {"server": server, "certificate-authority-data": _encoded(authority)}}
        ],
        "users": [{"name": cluster, "user": user}],
        "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": cluster, "namespace": "default"}}],
        "current-context": cluster,
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f"{file.name}.{os.getpid()}")  # renamed into place: others may be reading it
    fresh.touch(mode=0o600)
    fresh.write_text(yaml.safe_dump(content, sort_keys=False))
    fresh.replace(file)
    return file


def _encoded(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()
