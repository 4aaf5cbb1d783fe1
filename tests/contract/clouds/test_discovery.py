"""Where a service is and what it speaks: its own word counts, not the catalog's."""

import pytest

from contract.clouds.conftest import Sites
from siterecovery.protector.domain.errors import CloudUnreachable


def test_a_service_that_is_away_at_the_first_look_is_found_later(sites: Sites) -> None:
    """Neutron's URL in the catalog has no version: what it says of itself cannot be guessed, and nothing is remembered of a look that failed."""
    sites.clouds.close()
    sites.clouds.service("site-b", sites.projects["site-b"]).identity.check()
    sites.fault("site-b/network", mode="fail", status=0, times=None)
    with pytest.raises(CloudUnreachable, match="version"):
        sites.clouds.service("site-b", sites.projects["site-b"]).networks.networks("net-secondary-web")
    sites.control("DELETE", "/faults")
    assert sites.clouds.service("site-b", sites.projects["site-b"]).networks.networks("net-secondary-web")
