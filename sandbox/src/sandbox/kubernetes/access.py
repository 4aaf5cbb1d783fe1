"""A cluster as its users reach it: address, credentials, kubectl and its friends; whoever runs it."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from sandbox.kubernetes import kubeconfig
from sandbox.kubernetes.client import Api
from sandbox.kubernetes.pki import Pki
from sandbox.processes import ProcessError

_KUBECTL_SECONDS = 120.0
_TOKEN_SECONDS = 30 * 24 * 3600


class Access:
    """Everything that needs the cluster's address and its certificates only, which lie in `directory`."""

    def __init__(self, name: str, directory: Path, programs: Mapping[str, Path], url: str) -> None:
        self.name = name
        self.directory = directory
        self.programs = programs
        self.url = url
        self.pki = Pki(directory / "pki")
        self.kubeconfig = self.user_kubeconfig("admin", ["system:masters"], directory / f"{name}.kubeconfig")
        self.api = Api(self.url, str(self.pki.authority.certificate), self.pki.admin)

    def user_kubeconfig(self, user: str, groups: Sequence[str] = (), file: Path | None = None) -> Path:
        """A kubeconfig of a user known by certificate; what they may do is for RBAC to say."""
        return kubeconfig.write(
            file or self.directory / f"{user}.kubeconfig",
            cluster=self.name,
            server=self.url,
            authority=self.pki.authority.certificate,
            user=kubeconfig.by_certificate(self.pki.client(user, groups)),
        )

    def service_account_kubeconfig(self, namespace: str, name: str, file: Path) -> Path:
        """A kubeconfig with a fresh token of a ServiceAccount."""
        return kubeconfig.write(
            file,
            cluster=self.name,
            server=self.url,
            authority=self.pki.authority.certificate,
            user=kubeconfig.by_token(self.service_account_token(namespace, name)),
        )

    def service_account_token(self, namespace: str, name: str) -> str:
        """Good for a month."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": _TOKEN_SECONDS},
        }
        token: str = self.api.call("POST", path, request)["status"]["token"]
        return token

    def kubectl(self, *arguments: str, given: str = "", kubeconfig: Path | None = None) -> str:
        """What kubectl prints; ProcessError with its words when it fails. `given` is its standard input."""
        command = [str(self.programs["kubectl"]), "--kubeconfig", str(kubeconfig or self.kubeconfig), *arguments]
        return run(command, given)

    def virtctl(self, *arguments: str) -> str:
        """What virtctl prints; ProcessError with its words when it fails."""
        return run([str(self.programs["virtctl"]), f"--kubeconfig={self.kubeconfig}", *arguments])

    def helm(self, *arguments: str) -> str:
        """What Helm prints; ProcessError with its words when it fails."""
        return run([str(self.programs["helm"]), f"--kubeconfig={self.kubeconfig}", *arguments])


def run(command: Sequence[str], given: str = "") -> str:
    """A client's standard output; ProcessError with what it said when it fails or does not end."""
    try:
        done = subprocess.run(
            command, input=given, capture_output=True, text=True, timeout=_KUBECTL_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ProcessError(f"{' '.join(command)} did not end within {_KUBECTL_SECONDS:.0f} s") from error
    if done.returncode:
        raise ProcessError(
            f"{' '.join(command)} failed ({done.returncode}): {done.stderr.strip() or done.stdout.strip()}"
        )
    return done.stdout
