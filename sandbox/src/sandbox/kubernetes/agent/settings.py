"""What an agent is told when it starts: one JSON file."""

from __future__ import annotations

import ssl
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson


@dataclass(frozen=True)
class Endpoint:
    """Where a part of a machine serves, and the certificate (files) it shows. `token` is what it knows the API server by, if not as the agent."""

    port: int
    certificate: str
    key: str
    token: str = ""

    def tls(self) -> ssl.SSLContext:
        """Its side of a connection."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context


@dataclass(frozen=True)
class Settings:
    """Files are paths. `storage` is the URL of the door that opens replicated disks, empty without one; `handler` is
    virt-handler's endpoint, None where there is no KubeVirt. Pods that run as processes have their folders in `directory`."""

    cluster: str
    nodes: tuple[str, ...]
    server: str
    authority: str
    certificate: str
    key: str
    directory: str
    control_port: int
    kubelet: Endpoint
    handler: Endpoint | None
    storage: str = ""

    def write(self, file: Path) -> Path:
        """For its owner only: there is a token in it."""
        file.touch(mode=0o600)
        file.write_bytes(orjson.dumps(asdict(self)))
        return file

    @classmethod
    def read(cls, file: Path) -> Settings:
        """The inverse of `write`."""
        content = orjson.loads(file.read_bytes())
        handler = Endpoint(**content["handler"]) if content["handler"] else None
        parts = {"nodes": tuple(content["nodes"]), "kubelet": Endpoint(**content["kubelet"]), "handler": handler}
        return cls(**{**content, **parts})
