"""Ports in the tenant's project with addresses of our choice, networks and security groups by name."""

import ipaddress

import pytest

from contract.clouds.conftest import Sites
from siterecovery.protector.clouds.base import Cloud, PortSpec
from siterecovery.protector.domain.errors import CloudConflict


@pytest.fixture
def service(sites: Sites) -> Cloud:
    return sites.clouds.service("site-b", sites.projects["site-b"])


@pytest.fixture
def network(sites: Sites) -> str:
    ((identity, _),) = sites.clouds.tenant("site-b", sites.projects["site-b"]).networks.networks("net-secondary-web")
    return identity


def test_networks_are_found_by_name_and_id(sites: Sites, service: Cloud, network: str) -> None:
    """Both actors find the project's networks; an unknown name is an empty list."""
    assert service.networks.networks("net-secondary-web") == [(network, "net-secondary-web")]
    assert service.networks.networks(network) == [(network, "net-secondary-web")]
    assert service.networks.networks("net-nowhere") == []


def test_a_port_keeps_address_and_mac(sites: Sites, service: Cloud, network: str) -> None:
    """The port is the tenant's, with the very address and MAC; a second one with the address is a conflict; its key finds it."""
    key, address = f"{sites.name('op')}/recreate_instances/web/0", "10.10.7.77"
    assert service.networks.address_free(network, address)
    spec = PortSpec(
        "port",
        network,
        sites.projects["site-b"],
        key,
        fixed_ips=(address,),
        mac_address="fa:16:3e:12:34:56",
        allowed_address_pairs=({"ip_address": "10.10.7.78"},),
    )
    port = service.networks.create_port(spec)
    assert (port.fixed_ips, port.mac_address) == ((address,), "fa:16:3e:12:34:56")
    assert not service.networks.address_free(network, address)
    with pytest.raises(CloudConflict):
        service.networks.create_port(spec)
    assert [found.id for found in service.networks.ports(key=key)] == [port.id]
    assert service.networks.ports(key=f"{key}-other") == []
    for _ in range(2):
        service.networks.delete_port(port.id)
    assert service.networks.ports(key=key) == []


def test_a_port_without_port_security(sites: Sites, service: Cloud, network: str) -> None:
    """Neither groups nor pairs go with it; Neutron chooses the address."""
    spec = PortSpec(
        "open",
        network,
        sites.projects["site-b"],
        sites.name("op/x"),
        port_security_enabled=False,
        security_group_ids=("ignored",),
        allowed_address_pairs=({"ip_address": "10.10.7.78"},),
    )
    port = service.networks.create_port(spec)
    assert ipaddress.ip_address(port.fixed_ips[0])
    service.networks.delete_port(port.id)


@pytest.mark.parametrize("address", ["10.99.0.1", "10.10.0.1", "10.10.0.0", "10.10.15.255", "no address", ""])
def test_addresses_that_cannot_be_had(service: Cloud, network: str, address: str) -> None:
    """Outside the subnet, its gateway, its edges, or nonsense: not free."""
    assert not service.networks.address_free(network, address)


def test_security_groups_are_made_once(sites: Sites, service: Cloud) -> None:
    """Found by name in the project; made where missing."""
    name, project = sites.name("sg"), sites.projects["site-b"]
    made = service.networks.ensure_security_group(name, project)
    assert service.networks.ensure_security_group(name, project) == made
