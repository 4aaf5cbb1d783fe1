"""One control plane: etcd, kube-apiserver and, where wanted, kube-controller-manager; all real, all on loopback."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox.kubernetes.access import Access
from sandbox.kubernetes.child import Child
from sandbox.kubernetes.client import wait_until
from sandbox.kubernetes.etcd import Etcd
from sandbox.kubernetes.ports import free_port
from sandbox.processes import ProcessError

_START_SECONDS = 120.0

# What this world's stories need: claims are bound, and let go when nothing uses them (the API server protects them until then), dead
# nodes noticed and emptied, namespaces deleted, owned objects collected, Deployments make Pods, the roles view and edit grow with what is
# installed. The rest would only cost memory.
_CONTROLLERS = (
    "persistentvolume-binder-controller",
    "persistentvolumeclaim-protection-controller",
    "persistentvolume-protection-controller",
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


class Plane(Access):
    """A control plane that runs here. It keeps its port and data through `kill` and `start`."""

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
        super().__init__(name, directory, programs, f"https://127.0.0.1:{free_port()}")
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
