"""A person's shell beside three clusters: the documented kubeconfig files and scripts in a folder, pgctl configured, all programs on the path."""

import os
import pathlib
import subprocess
import sys
from collections.abc import Sequence

import yaml

from sandbox.kubernetes.access import Access

ROOT = pathlib.Path(__file__).parents[3]
FILES = {"cluster1": "cluster1", "cluster2": "cluster2", "dr-cluster": "cluster2", "quorum-cluster": "quorum"}
SECONDS = 180


class Shell:
    """`NS` is the test's namespace, kubectl looks at the primary cluster, and the language has no say in what is printed."""

    def __init__(self, planes: Sequence[Access], namespace: str, folder: pathlib.Path, **settings: str) -> None:
        """`settings`: more lines of pgctl's configuration."""
        self.folder, self.config = folder, folder / "config.yaml"
        by_name = {plane.name: plane for plane in planes}
        contexts: dict[str, dict[str, object]] = {
            "primary": {"cluster": "cluster1", "kubeconfig": str(by_name["cluster1"].kubeconfig)},
            "dr": {
                "cluster": "cluster2",
                "kubeconfig": str(by_name["cluster2"].kubeconfig),
                "aliases": ["dr-cluster"],
            },
            "quorum": {"cluster": "quorum", "kubeconfig": str(by_name["quorum"].kubeconfig)},
        }
        self.config.write_text(yaml.safe_dump({"namespace": namespace, "contexts": contexts, **settings}))
        for file, name in FILES.items():
            (folder / f"{file}.kubeconfig").write_bytes(by_name[name].kubeconfig.read_bytes())
        for script in (ROOT / "deploy" / "scripts").glob("*.sh"):
            (folder / script.name).symlink_to(script)
        kubectl = by_name["cluster1"].programs["kubectl"].parent
        self.environment = {
            "PATH": os.pathsep.join([str(pathlib.Path(sys.executable).parent), str(kubectl), os.environ["PATH"]]),
            "HOME": str(folder),
            "PGCTL_CONFIG": str(self.config),
            "KUBECONFIG": str(folder / "cluster1.kubeconfig"),
            "LC_ALL": "C",
            "NS": namespace,
        }

    def start(self, line: str) -> "subprocess.Popen[str]":
        return started(line, self.environment, self.folder)

    def __call__(self, line: str, code: int = 0) -> str:
        """What a command line prints, with standard error among it; its exit code is compared."""
        return ended(self.start(line), line, code)


def started(line: str, environment: dict[str, str], folder: pathlib.Path) -> "subprocess.Popen[str]":
    """A command line under way."""
    out = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(["bash", "-c", line], cwd=folder, env=environment, text=True, encoding="utf-8", **out)


def ended(child: "subprocess.Popen[str]", line: str = "", code: int = 0) -> str:
    """What it has printed once it is over."""
    try:
        printed, _ = child.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        printed, _ = child.communicate()
    assert child.returncode == code, f"{line}: {child.returncode}\n{printed}"
    return printed
