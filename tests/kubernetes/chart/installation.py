"""Site Recovery installed on all three clusters as its chart and its notes say, and a person's shell beside it."""

import base64
import os
import pathlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import yaml

from kubernetes.chart.helm import ROOT, Release, settings
from sandbox.kubernetes.access import Access
from sandbox.kubernetes.world import World

ALIASES = {"cluster1": "primary", "cluster2": "dr-cluster", "quorum": "quorum-cluster"}
SECONDS = 150


class Installation:
    """Each cluster knows the others by Secrets that hold the kubeconfig of their peer account, and nothing else."""

    def __init__(self, planes: World, folder: pathlib.Path) -> None:
        self.planes, self.folder = planes, folder
        self.releases = {plane.name: Release(plane) for plane in planes}

    def settings(self, plane: Access, **more: str) -> list[str]:
        """For the model with LINSTOR."""
        quorum = plane.name == "quorum"
        common = {
            "cluster__name": plane.name,
            "cluster__aliases": f"{{{ALIASES[plane.name]}}}",
            "linstor__controllers": f"{{{self.planes.storage.linstor}}}",
            "failoverController__enabled": str(quorum).lower(),
            "protectionGroupController__enabled": str(not quorum).lower(),
            "protectionGroupController__storageInterval": "1",
            "protectionGroupController__mirrorInterval": "5",
            "peer__role": "quorum" if quorum else "workload",
        }
        return settings(**common, **more)

    def install(self) -> None:
        """The Secrets come before the first Pod: a new one is noticed only half a minute later."""
        self.everywhere(failoverController__replicas="0", protectionGroupController__replicas="0")
        for plane in self.planes:
            for other in self.planes:
                if other is not plane:
                    self._introduce(plane, other)
        self.everywhere()

    def everywhere(self, **more: str) -> None:
        """Installed, or upgraded, at once."""
        with ThreadPoolExecutor(len(self.releases)) as pool:
            list(pool.map(lambda plane: self.releases[plane.name].install(*self.settings(plane, **more)), self.planes))

    def _introduce(self, plane: Access, other: Access) -> None:
        file = self.folder / f"{other.name}-peer.kubeconfig"
        other.service_account_kubeconfig(Release.NAMESPACE, "site-recovery-peer", file)
        metadata = {
            "name": f"{other.name}-kubeconfig",
            "namespace": Release.NAMESPACE,
            "labels": {"siterecovery.trilio.io/cluster": other.name},
            "annotations": {"siterecovery.trilio.io/aliases": ALIASES[other.name]},
        }
        data = {"kubeconfig": base64.b64encode(_flat(file)).decode()}
        plane.api.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data})

    def uninstall(self) -> None:
        for plane in self.planes:
            self.releases[plane.name].uninstall()
            for other in self.planes:
                if other is not plane:
                    path = f"/api/v1/namespaces/{Release.NAMESPACE}/secrets/{other.name}-kubeconfig"
                    plane.api.delete(path)


def _flat(file: pathlib.Path) -> bytes:
    """A Secret's kubeconfig may name no files."""
    whole = yaml.safe_load(file.read_text())
    for cluster in whole["clusters"]:
        authority = cluster["cluster"].pop("certificate-authority", None)
        if authority:
            data = base64.b64encode(pathlib.Path(authority).read_bytes()).decode()
            cluster["cluster"]["certificate-authority-data"] = data
    return yaml.safe_dump(whole).encode()


class Shell:
    """A person's: kubectl, pgctl and the scripts in a folder with the documented kubeconfig files."""

    def __init__(self, planes: World, namespace: str, folder: pathlib.Path) -> None:
        self.planes, self.namespace, self.folder = planes, namespace, folder
        contexts = {
            "primary": {"cluster": "cluster1", "kubeconfig": str(planes.cluster1.kubeconfig)},
            "dr": {"cluster": "cluster2", "kubeconfig": str(planes.cluster2.kubeconfig), "aliases": ["dr-cluster"]},
            "quorum": {"cluster": "quorum", "kubeconfig": str(planes.quorum.kubeconfig)},
        }
        (folder / "config.yaml").write_text(yaml.safe_dump({"namespace": namespace, "contexts": contexts}))
        files = {"cluster1": "cluster1", "cluster2": "cluster2", "dr-cluster": "cluster2", "quorum-cluster": "quorum"}
        for file, name in files.items():
            plane = next(plane for plane in planes if plane.name == name)
            (folder / f"{file}.kubeconfig").write_bytes(plane.kubeconfig.read_bytes())
        for script in (ROOT / "deploy" / "scripts").glob("*.sh"):
            (folder / script.name).symlink_to(script)

    @property
    def environment(self) -> dict[str, str]:
        programs = self.planes.programs
        path = [str(pathlib.Path(sys.executable).parent), str(programs["kubectl"].parent), os.environ["PATH"]]
        return {
            "PATH": os.pathsep.join(path),
            "HOME": str(self.folder),
            "PGCTL_CONFIG": str(self.folder / "config.yaml"),
            "KUBECONFIG": str(self.folder / "cluster1.kubeconfig"),
            "NS": self.namespace,
        }

    def start(self, line: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            ["bash", "-c", line],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )

    def __call__(self, line: str, code: int = 0) -> str:
        """What it prints; its exit code is compared."""
        return ended(self.start(line), line, code)


def ended(child: "subprocess.Popen[str]", line: str = "", code: int = 0) -> str:
    try:
        printed, _ = child.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        printed, _ = child.communicate()
    assert child.returncode == code, f"{line}: {child.returncode}\n{printed}"
    return printed
