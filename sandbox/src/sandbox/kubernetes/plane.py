"""One control plane: etcd, kube-apiserver and, where wanted, kube-controller-manager; all real, all on loopback."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox.kubernetes import kubeconfig
from sandbox.kubernetes.child import Child
from sandbox.kubernetes.client import Api, wait_until
from sandbox.kubernetes.etcd import Etcd
from sandbox.kubernetes.pki import Pki
from sandbox.kubernetes.ports import free_port
from sandbox.processes import ProcessError

_START_SECONDS = 120.0
_KUBECTL_SECONDS = 120.0
_TOKEN_SECONDS = 30 * 24 * 3600

# What this world's stories need: claims are bound, dead nodes noticed and emptied, namespaces deleted, owned objects
# collected, Deployments make Pods, the roles view and edit grow with what is installed. The rest would only cost memory.
_CONTROLLERS = (
    "persistentvolume-binder-controller",
    "node-lifecycle-controller",
    "taint-eviction-controller",
    "garbage-collector-controller",
    "namespace-controller",
    "serviceaccount-controller",
    "root-ca-certificate-publisher-controller",
    "pod-garbage-collector-controller",
    "disruption-controller",
    "deployment-controller",
    "replicaset-controller",
    "clusterrole-aggregation-controller",
)


@dataclass(frozen=True)
class Timing:
    """How long a plane is patient with a silent node; Kubernetes' own are 50 s and 300 s."""

    node_grace_seconds: int = 20
    eviction_seconds: int = 30


class Plane:
    """A cluster as its users see it. It keeps its port and data through `kill` and `start`."""

    def __init__(
        self,
        name: str,
        directory: Path,
        programs: Mapping[str, Path],
        *,
        etcd: Etcd | None = None,
        controllers: bool = True,
        timing: Timing | None = None,
    ) -> None:
        """`etcd`: one shared with other planes, started and ended by its owner; without it the plane has its own."""
        self.name = name
        self.directory = directory
        self.programs = programs
        self.pki = Pki(directory / "pki")
        self.url = f"https://127.0.0.1:{free_port()}"
        self.kubeconfig = self.user_kubeconfig("admin", ["system:masters"], directory / f"{name}.kubeconfig")
        self.api = Api(self.url, str(self.pki.authority.certificate), self.pki.admin)
        self._timing = timing or Timing()
        self._own_etcd = None if etcd else Etcd(programs["etcd"], directory)
        self.apiserver = Child("kube-apiserver", self._apiserver(etcd), directory / "kube-apiserver.log")
        self.controllers = (
            Child(
                "kube-controller-manager",
                self._controller_manager(),
                directory / "kube-controller-manager.log",
                supervised=True,
            )
            if controllers
            else None
        )

    @property
    def children(self) -> list[Child]:
        """Its programs, in the order in which they may be ended: an apiserver without etcd takes 15 s to end by itself."""
        own = self._own_etcd
        return [*([self.controllers] if self.controllers else []), self.apiserver, *([own.child] if own else [])]

    def start(self) -> None:
        """Begin, on what is stored; `wait` says when it serves."""
        if self._own_etcd:
            self._own_etcd.start()
        self.apiserver.start()
        if self.controllers:
            self.controllers.start()

    def wait(self) -> None:
        """Until the API is ready (ProcessError with a program's last words when one ended instead)."""
        if self._own_etcd:
            self._own_etcd.wait()
        wait_until(f"the API of {self.name}", _START_SECONDS, self._ready)

    def _ready(self) -> bool:
        if not self.apiserver.alive:
            raise ProcessError(f"kube-apiserver of {self.name} ended; it said:\n{self.apiserver.last_words()}")
        return bool(self.api.get("/readyz") == "ok")

    def stop(self) -> None:
        """End it at once: nothing here is worth a graceful end, and what etcd has been told it keeps."""
        self.kill()
        self.api.close()

    def kill(self) -> None:
        """kill -9 of every program; `start` finds all data again."""
        for child in self.children:
            child.kill()

    def restart(self) -> None:
        """kill -9 and back, ready."""
        self.kill()
        self.start()
        self.wait()

    def freeze(self) -> None:
        """The whole plane hangs: connections are accepted, nothing is answered."""
        for child in self.children:
            child.freeze()

    def thaw(self) -> None:
        """Let a frozen plane go on."""
        for child in reversed(self.children):
            child.thaw()

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

    def _apiserver(self, shared: Etcd | None) -> list[str]:
        """Flags. Namespaces without default ServiceAccounts take Pods too: the nodes here hand out tokens themselves."""
        pki, etcd = self.pki, shared or self._own_etcd
        assert etcd is not None
        return [
            str(self.programs["kube-apiserver"]),
            f"--etcd-servers={etcd.url}",
            f"--etcd-prefix=/{self.name}",
            f"--secure-port={self.url.rpartition(':')[2]}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none",
            f"--tls-cert-file={pki.server.certificate}",
            f"--tls-private-key-file={pki.server.key}",
            f"--client-ca-file={pki.authority.certificate}",
            f"--service-account-key-file={pki.tokens.certificate}",
            f"--service-account-signing-key-file={pki.tokens.key}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--disable-admission-plugins=ServiceAccount",
            "--allow-privileged=true",
            "--profiling=false",
            f"--default-not-ready-toleration-seconds={self._timing.eviction_seconds}",
            f"--default-unreachable-toleration-seconds={self._timing.eviction_seconds}",
            f"--requestheader-client-ca-file={pki.front_authority.certificate}",
            "--requestheader-allowed-names=aggregator",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--proxy-client-cert-file={pki.front.certificate}",
            f"--proxy-client-key-file={pki.front.key}",
            "--kubelet-preferred-address-types=InternalIP",
            f"--kubelet-certificate-authority={pki.authority.certificate}",
            f"--kubelet-client-certificate={pki.kubelet_client.certificate}",
            f"--kubelet-client-key={pki.kubelet_client.key}",
        ]

    def _controller_manager(self) -> list[str]:
        return [
            str(self.programs["kube-controller-manager"]),
            f"--kubeconfig={self.kubeconfig}",
            "--bind-address=127.0.0.1",
            "--secure-port=0",
            "--leader-elect=false",
            f"--service-account-private-key-file={self.pki.tokens.key}",
            f"--root-ca-file={self.pki.authority.certificate}",
            f"--controllers={','.join(_CONTROLLERS)}",
            f"--node-monitor-grace-period={self._timing.node_grace_seconds}s",
            "--node-monitor-period=2s",
            "--profiling=false",
        ]


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
