"""One site, one actor, one project: the three services put together."""

import dataclasses
from collections.abc import Callable

from siterecovery.protector.clouds.base import Compute, Health, Identity, Networks, Volumes
from siterecovery.protector.domain.errors import CloudError


@dataclasses.dataclass
class SiteCloud:
    """`base.Cloud`. `probes` are one cheap read per service."""

    site_id: str
    project_id: str
    compute: Compute
    volumes: Volumes
    networks: Networks
    identity: Identity
    probes: dict[Health, Callable[[], object]]

    def probe(self) -> dict[Health, str]:
        """Every service is asked, whatever the others say."""
        return {service: _sentence(read) for service, read in self.probes.items()}


def _sentence(read: Callable[[], object]) -> str:
    try:
        read()
    except CloudError as error:
        return error.detail
    return "ok"
