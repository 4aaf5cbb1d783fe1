"""From a Pod's spec to command lines: environment, files and addresses as the API server's objects give them.

LaunchError   the Pod cannot be started as it is; `reason` is a kubelet's word for it
"""

from __future__ import annotations

import base64
import re
import shutil
import sys
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.kubernetes.agent.api import Api
from sandbox.kubernetes.client import Missing, Object

_REFERENCE = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)")
_TOKEN_SECONDS = 24 * 3600


class LaunchError(Exception):
    """A container cannot be created."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Launch:
    """One container, ready to be started; `probes` are its spec's, by name."""

    name: str
    image: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    directory: Path
    probes: Mapping[str, Object]
    ports: Mapping[str, int]


def address_of(pod: Object) -> str:
    """A loopback address of the Pod's own; two Pods share one only by a chance of one in sixteen million."""
    digest = zlib.crc32(pod["metadata"]["uid"].encode())
    return f"127.{64 + digest % 64}.{(digest >> 8) % 256}.{(digest >> 16) % 254 + 1}"


class Preparation:
    """Everything of one Pod that is needed to start it."""

    def __init__(self, api: Api, server: str, authority: str, pod: Object, root: Path) -> None:
        """`root`: the Pod's own folder."""
        self._api, self._server, self._authority = api, server, authority
        self._pod, self._root = pod, root
        self._namespace = str(pod["metadata"]["namespace"])
        self._mounts: dict[str, Path] = {}

    async def launches(self) -> list[Launch]:
        """All containers (LaunchError when one cannot be started; ApiError and silence as they come)."""
        spec = self._pod["spec"]
        programs = [_program(container) for container in spec["containers"]]  # first: most Pods here are not for us
        folders = {volume["name"]: await self._volume(volume) for volume in spec.get("volumes") or []}
        kubeconfig = await self._account()
        return [
            await self._launch(container, program, folders, kubeconfig)
            for container, program in zip(spec["containers"], programs, strict=True)
        ]

    async def _launch(
        self, container: Object, program: str, folders: Mapping[str, Path | None], kubeconfig: Path
    ) -> Launch:
        mounts = {
            mount["mountPath"].rstrip("/"): folder / mount.get("subPath", "")
            for mount in container.get("volumeMounts") or []
            if (folder := folders.get(mount["name"])) is not None
        }
        host, _, port = self._server.removeprefix("https://").rpartition(":")
        environment = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port, "KUBECONFIG": str(kubeconfig)}
        for entry in container.get("env") or []:
            environment[entry["name"]] = _moved(_expanded(await self._value(entry), environment), mounts)
        given = [*(container.get("command") or [""])[1:], *(container.get("args") or [])]
        arguments = [_moved(_expanded(item, environment), mounts) for item in given]
        return Launch(
            container["name"],
            container["image"],
            (program, *arguments),
            environment,
            self._root,
            {kind: container[kind] for kind in ("readinessProbe", "livenessProbe") if kind in container},
            {port["name"]: port["containerPort"] for port in container.get("ports") or [] if "name" in port},
        )

    async def _value(self, entry: Object) -> str:
        source = entry.get("valueFrom")
        if source is None:
            return str(entry.get("value", ""))
        if "fieldRef" in source:
            return self._field(source["fieldRef"]["fieldPath"])
        for kind, plural in (("secretKeyRef", "secrets"), ("configMapKeyRef", "configmaps")):
            if kind in source:
                content = await self._content(plural, source[kind])
                return content.get(source[kind]["key"], b"").decode()
        raise LaunchError("CreateContainerConfigError", f"{entry['name']}: this valueFrom is not played here")

    def _field(self, path: str) -> str:
        if path == "status.podIP":
            return address_of(self._pod)
        found: Any = self._pod
        for part in path.split("."):
            found = found.get(part, "") if isinstance(found, dict) else ""
        return str(found)

    async def _volume(self, volume: Object) -> Path | None:
        """The folder that stands for a volume; none for kinds that no controller here needs."""
        folder = self._root / "volumes" / str(volume["name"])
        if "emptyDir" in volume:
            content: Mapping[str, bytes] = {}
        elif "secret" in volume:
            reference = {**volume["secret"], "name": volume["secret"]["secretName"]}
            content = await self._content("secrets", reference)
        elif "configMap" in volume:
            content = await self._content("configmaps", volume["configMap"])
        else:
            return None
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name, text in content.items():
            _write(folder / name, text)
        return folder

    async def _content(self, plural: str, reference: Object) -> dict[str, bytes]:
        """The entries of a Secret or ConfigMap; empty where it is missing and may be."""
        try:
            found = await self._api.call("GET", f"/api/v1/namespaces/{self._namespace}/{plural}/{reference['name']}")
        except Missing as error:
            if reference.get("optional"):
                return {}
            raise LaunchError("CreateContainerConfigError", str(error)) from error
        data = found.get("data") or {}
        if plural == "secrets":
            return {name: base64.b64decode(text) for name, text in data.items()}
        return {name: text.encode() for name, text in data.items()}

    async def _account(self) -> Path:
        """A kubeconfig of the Pod's ServiceAccount, with the token beside it."""
        account = self._pod["spec"].get("serviceAccountName") or "default"
        path = f"/api/v1/namespaces/{self._namespace}/serviceaccounts/{account}/token"
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": _TOKEN_SECONDS},
        }
        try:
            token = (await self._api.call("POST", path, request))["status"]["token"]
        except Missing as error:
            raise LaunchError("CreateContainerConfigError", str(error)) from error
        return _kubeconfig(self._root / "kubeconfig", self._server, self._authority, self._namespace, token)


def _kubeconfig(file: Path, server: str, authority: str, namespace: str, token: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    content = [
        "apiVersion: v1",
        "kind: Config",
        "current-context: pod",
        f"clusters: [{{name: pod, cluster: {{server: '{server}', certificate-authority: '{authority}'}}}}]",
        f"users: [{{name: pod, user: {{token: '{token}'}}}}]",
        f"contexts: [{{name: pod, context: {{cluster: pod, user: pod, namespace: {namespace}}}}}]",
    ]
    _write(file, "\n".join([*content, ""]).encode())
    return file


def _write(file: Path, content: bytes) -> None:
    file.touch(mode=0o600)
    file.write_bytes(content)


def _program(container: Object) -> str:
    """What the image holds is what is installed beside this interpreter."""
    image = str(container["image"])
    name = (container.get("command") or [image.rpartition("/")[2].partition("@")[0].partition(":")[0]])[0]
    found = shutil.which(str(name).rpartition("/")[2], path=str(Path(sys.executable).parent))
    if found is None:
        raise LaunchError(
            "ErrImagePull", f'"{image}" is not to be had here: {name} is not installed beside {sys.executable}'
        )
    return found


def _expanded(text: str, environment: Mapping[str, str]) -> str:
    """$(NAME) as Kubernetes expands it; what is not known stays as it is."""
    return _REFERENCE.sub(lambda match: environment.get(match[1], match[0]), text)


def _moved(text: str, mounts: Mapping[str, Path]) -> str:
    """A path under a mount, wherever it stands in the text, longest mount first."""
    for mount in sorted(mounts, key=len, reverse=True):
        folder = str(mounts[mount]).replace("\\", r"\\")
        text = re.sub(rf"(?<![\w/.-]){re.escape(mount)}(?![\w.-])", folder, text)
    return text
