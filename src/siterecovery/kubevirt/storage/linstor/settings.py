"""Where LINSTOR is and how it is spoken to."""

import dataclasses
import ssl
from collections.abc import Mapping
from pathlib import Path

TOPOLOGY = "Aux/topology/siterecovery.trilio.io/cluster"
"""The node property that tells to which cluster a satellite belongs. Piraeus copies labels of Kubernetes nodes to `Aux/topology/<label>`,
so labelling the nodes `siterecovery.trilio.io/cluster=<name>` is enough."""


@dataclasses.dataclass(frozen=True)
class LinstorSettings:
    """`controllers` are base URLs, tried in order (`http://host:3370`, `https://host:3371`). `timeout` bounds one call, in seconds; changes get
    `change_timeout`, since LINSTOR answers them after the satellites have. `clusters` (node → cluster) overrules `topology`."""

    controllers: tuple[str, ...]
    timeout: float = 10.0
    change_timeout: float = 60.0
    topology: str = TOPOLOGY
    clusters: Mapping[str, str] = dataclasses.field(default_factory=dict)
    authority: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    token: str = dataclasses.field(default="", repr=False)

    def __post_init__(self) -> None:
        if not self.controllers:
            raise ValueError("give at least one LINSTOR controller, such as http://linstor-controller:3370")
        for url in self.controllers:
            if not url.startswith(("http://", "https://")):
                raise ValueError(f"{url!r} is no LINSTOR controller: give http://HOST:3370 or https://HOST:3371")
        if self.token and any(url.startswith("http://") for url in self.controllers):
            raise ValueError("a token is sent over https only: give https://HOST:3371, or no token")
        if self.timeout <= 0 or self.change_timeout <= 0:
            raise ValueError("LINSTOR's timeouts are seconds above 0")

    def tls(self) -> ssl.SSLContext:
        """Verifies the controllers with `authority` (the system's CAs without one), and shows our certificate where there is one."""
        context = ssl.create_default_context(cafile=str(self.authority) if self.authority else None)
        if self.certificate:
            context.load_cert_chain(self.certificate, self.key)
        return context
