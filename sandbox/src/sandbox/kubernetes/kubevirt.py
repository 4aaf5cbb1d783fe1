"""KubeVirt on a plane: its own objects, virt-api and virt-controller as processes beside the API server."""

from __future__ import annotations

import functools
import ssl
import urllib.request
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import orjson

from sandbox.kubernetes.access import run
from sandbox.kubernetes.child import Child
from sandbox.kubernetes.client import Object, wait_until
from sandbox.kubernetes.plane import Plane
from sandbox.kubernetes.ports import free_port
from sandbox.processes import ProcessError

NAMESPACE = "kubevirt"
_START_SECONDS = 180.0
_AT_ONCE = 4
_HOPELESS_STARTS = 5
_ACCOUNTS = {
    "virt-api": "kubevirt-apiserver",
    "virt-controller": "kubevirt-controller",
    "virt-handler": "kubevirt-handler",
}
_KUBEVIRT = f"/apis/kubevirt.io/v1/namespaces/{NAMESPACE}/kubevirts/kubevirt"
_API_SERVICE = "/apis/apiregistration.k8s.io/v1/apiservices/v1.subresources.kubevirt.io"

# What virt-operator would write. Without an architecture before the first VM, every instance is refused and the VM keeps an empty one for good.
_DEPLOYED: Object = {
    "phase": "Deployed",
    "observedKubeVirtVersion": "v1.7.0",
    "observedKubeVirtRegistry": "sandbox",
    "operatorVersion": "v1.7.0",
    "defaultArchitecture": "amd64",
    "conditions": [
        {"type": kind, "status": status, "reason": "Sandbox", "message": ""}
        for kind, status in (
            ("Available", "True"),
            ("Created", "True"),
            ("Progressing", "False"),
            ("Degraded", "False"),
        )
    ],
}


class KubeVirt:
    """The released programs, unpatched; only what needs a hypervisor is left to the node agent, at `handler_port`."""

    def __init__(self, plane: Plane, programs: Mapping[str, Path]) -> None:
        self._plane = plane
        self._programs = programs
        self._directory = plane.directory / "kubevirt"
        self.certificates = self._directory / "certificates"
        self.handler_port = free_port()
        self.handler_kubeconfig = self._directory / "virt-handler.kubeconfig"
        self._api_port, self._controller_port = free_port(), free_port()
        self.api = self._child("virt-api", self._api_flags())
        self.controller = self._child("virt-controller", self._controller_flags())

    @property
    def children(self) -> list[Child]:
        """Its processes; each comes back by itself, as a Deployment's would."""
        return [self.controller, self.api]

    def install(self) -> None:
        """Everything but what needs virt-api to serve; then `start` and `wait`."""
        install_kinds(self._plane, self._programs["manifests"], self.certificates)
        objects = self._manifests("base")
        first, rest = objects[:1], objects[1:]  # the namespace
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(self._plane.api.apply, first))
            list(pool.map(self._plane.api.apply, rest))
        self._plane.api.merge(f"{_KUBEVIRT}/status", {"status": _DEPLOYED})
        for program, account in _ACCOUNTS.items():
            self._plane.service_account_kubeconfig(NAMESPACE, account, self._directory / f"{program}.kubeconfig")

    def start(self) -> None:
        """Begin both; `wait` says when they serve."""
        for child in reversed(self.children):
            child.start()

    def wait(self) -> None:
        """Until a VM can be created, started and stopped."""
        before = self.api.starts
        wait_until("virt-api", _START_SECONDS, lambda: self._serves(before))
        for item in self._manifests("hooks"):
            self._plane.api.apply(item)
        wait_until("KubeVirt's subresources", _START_SECONDS, self._aggregated)
        wait_until("virt-controller", _START_SECONDS, self._leads)

    def _manifests(self, part: str) -> list[Object]:
        return _manifests(self._programs["manifests"], self.certificates, part, self._api_port)

    def _aggregated(self) -> bool:
        return _is_true(self._plane.api.get(_API_SERVICE), "Available")

    def _leads(self) -> bool:
        return '"leader":"true"' in self._fetch(self._controller_port, "/leader").replace(" ", "")

    def _serves(self, before: int) -> bool:
        """ProcessError when it ends again and again, instead of waiting for what will not come; `before`: its starts at first."""
        if self.api.starts - before >= _HOPELESS_STARTS:
            words = self.api.last_words(of_all=True)
            raise ProcessError(f"virt-api of {self._plane.name} ends again and again; it said:\n{words}")
        return bool(self._fetch(self._api_port, "/healthz"))

    @staticmethod
    def _fetch(port: int, path: str) -> str:
        """Its certificate is made out to a Service; that it is ours is known by the port."""
        unverified = ssl.create_default_context()
        unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
        with urllib.request.urlopen(f"https://127.0.0.1:{port}{path}", context=unverified, timeout=2) as answer:
            text: str = answer.read().decode()
            return text

    def _child(self, name: str, flags: list[str]) -> Child:
        command = [str(self._programs[name]), f"--kubeconfig={self._directory / name}.kubeconfig", *flags]
        return Child(name, command, self._directory / f"{name}.log", supervised=True)

    def _certificate(self, name: str) -> list[str]:
        return [f"{self.certificates / name}.crt", f"{self.certificates / name}.key"]

    def _api_flags(self) -> list[str]:
        shown, known = self._certificate("kubevirt-virt-api-certs"), self._certificate("kubevirt-virt-handler-certs")
        return [
            "--listen=127.0.0.1",
            f"--port={self._api_port}",
            f"--tls-cert-file={shown[0]}",
            f"--tls-key-file={shown[1]}",
            f"--handler-cert-file={known[0]}",
            f"--handler-key-file={known[1]}",
            f"--console-server-port={self.handler_port}",
        ]

    def _controller_flags(self) -> list[str]:
        shown = self._certificate("kubevirt-controller-certs")
        return [
            "--listen=127.0.0.1",
            f"--port={self._controller_port}",
            f"--prom-cert-file={shown[0]}",
            f"--prom-key-file={shown[1]}",
            "--launcher-image=sandbox/virt-launcher:v1.7.0",
            "--exporter-image=sandbox/virt-exportserver:v1.7.0",
        ]


def install_kinds(plane: Plane, manifests: Path, certificates: Path, kinds: Collection[str] = ()) -> None:
    """KubeVirt's kinds (all, or those named), served: enough for whoever reads and writes VirtualMachines that nobody runs."""
    every = _manifests(manifests, certificates, "crds")
    definitions = [item for item in every if not kinds or item["spec"]["names"]["kind"] in kinds]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(plane.api.apply, definitions))
    for definition in definitions:
        _wait_for_kind(plane, definition["spec"])


def _wait_for_kind(plane: Plane, spec: Object) -> None:
    for version in spec["versions"]:
        path, plural = f"/apis/{spec['group']}/{version['name']}", spec["names"]["plural"]
        wait_until(f"{plural} in {path}", _START_SECONDS, functools.partial(_serves, plane, path, plural))


def _serves(plane: Plane, path: str, plural: str) -> bool:
    """By discovery, which costs the server nothing; the definitions themselves are megabytes."""
    return any(resource["name"] == plural for resource in plane.api.get(path)["resources"])


def _manifests(program: Path, certificates: Path, part: str, port: int = 0) -> list[Object]:
    printed = run([str(program), "-certificates", str(certificates), "-port", str(port), part])
    return [orjson.loads(line) for line in printed.splitlines()]


def _is_true(item: Object, condition: str) -> bool:
    conditions = item.get("status", {}).get("conditions") or []
    return any(entry["type"] == condition and entry["status"] == "True" for entry in conditions)
