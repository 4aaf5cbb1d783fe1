"""What an agent is told when it starts: one JSON file."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import orjson


@dataclass(frozen=True)
class Settings:
    """Files are paths. `storage` is the URL of the door that opens replicated disks, empty without one."""

    cluster: str
    nodes: tuple[str, ...]
    server: str
    authority: str
    certificate: str
    key: str
    handler_token: str
    control_port: int
    handler_port: int
    handler_certificate: str
    handler_key: str
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
        return cls(**{**content, "nodes": tuple(content["nodes"])})
