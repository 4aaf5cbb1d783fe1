"""Neutron as a recovery uses it: ports with the addresses they had."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

import pytest
from openstack import exceptions

from contract.cloud.steps import NETWORK


@pytest.fixture
def network(member: Any) -> Any:
    """The project's web network."""
    return member.network.find_network(NETWORK, ignore_missing=False)


@pytest.fixture
def port(member: Any, network: Any, unique: str) -> Iterator[Any]:
    """A port on it."""
    item = member.network.create_port(network_id=network.id, name=unique)
    yield item
    member.network.delete_port(item.id)


@pytest.fixture
def shared(admin: Any, service: Any, unique: str) -> Iterator[Any]:
    """A network of the service project that everybody may use."""
    item = service.network.create_network(name=f"{unique}-shared", is_shared=True)
    service.network.create_subnet(network_id=item.id, ip_version=4, cidr="192.168.88.0/24")
    yield item
    for entry in list(service.network.ports(network_id=item.id)):
        service.network.delete_port(entry.id)
    service.network.delete_network(item.id)


def test_port_gets_an_address(port: Any, network: Any) -> None:
    """A plain port has one address, a MAC, the default security group, and nobody using it."""
    assert len(port.fixed_ips) == 1
    assert port.mac_address.startswith("fa:16:3e:")
    assert len(port.security_group_ids) == 1
    assert (port.status, port.device_id, port.is_port_security_enabled) == ("DOWN", "", True)


def test_addresses_are_chosen_on_an_own_network(member: Any, network: Any, port: Any) -> None:
    """The network's owner chooses address and MAC; each of them only once."""
    address, mac = port.fixed_ips[0]["ip_address"], port.mac_address
    member.network.delete_port(port.id)
    again = member.network.create_port(network_id=network.id, mac_address=mac, fixed_ips=[{"ip_address": address}])
    assert (again.fixed_ips[0]["ip_address"], again.mac_address) == (address, mac)
    for more in ({"fixed_ips": [{"ip_address": address}]}, {"mac_address": mac}):
        with pytest.raises(exceptions.ConflictException):
            member.network.create_port(network_id=network.id, **more)
    member.network.delete_port(again.id)


def test_an_address_must_be_of_the_network(member: Any, network: Any) -> None:
    """An address outside every range is a 400."""
    with pytest.raises(exceptions.BadRequestException, match="not a valid IP"):
        member.network.create_port(network_id=network.id, fixed_ips=[{"ip_address": "203.0.113.9"}])


def test_only_owners_choose_on_a_shared_network(member: Any, service: Any, shared: Any) -> None:
    """On somebody else's shared network a member takes what it gets; the service user chooses for the member's project."""
    for more in ({"mac_address": "fa:16:3e:00:00:09"}, {"fixed_ips": [{"ip_address": "192.168.88.50"}]}):
        with pytest.raises(exceptions.ForbiddenException, match="disallowed by policy"):
            member.network.create_port(network_id=shared.id, **more)
    made = service.network.create_port(
        network_id=shared.id,
        project_id=member.current_project_id,
        mac_address="fa:16:3e:00:00:09",
        fixed_ips=[{"ip_address": "192.168.88.50"}],
    )
    assert member.network.get_port(made.id).fixed_ips[0]["ip_address"] == "192.168.88.50"


def test_strangers_see_neither_network_nor_port(stranger: Any, network: Any, port: Any) -> None:
    """Another project's network and port are 404."""
    for get, identifier in ((stranger.network.get_network, network.id), (stranger.network.get_port, port.id)):
        with pytest.raises(exceptions.NotFoundException):
            get(identifier)
    assert NETWORK not in [item.name for item in stranger.network.networks()]
    with pytest.raises(exceptions.NotFoundException):
        stranger.network.create_port(network_id=network.id)


def test_ports_are_filtered_and_tagged(member: Any, network: Any, port: Any) -> None:
    """Ports are found by name, network, MAC and address; tags are replaced as a whole and filter too."""
    query = {"name": port.name, "network_id": network.id, "mac_address": port.mac_address}
    assert [item.id for item in member.network.ports(**query)] == [port.id]
    address = f"ip_address={port.fixed_ips[0]['ip_address']}"
    assert [item.id for item in member.network.ports(network_id=network.id, fixed_ips=address)] == [port.id]
    member.network.set_tags(port, [port.name, "dr"])
    assert [item.id for item in member.network.ports(tags=port.name)] == [port.id]


def test_port_keeps_what_it_was_given(member: Any, network: Any, unique: str) -> None:
    """Allowed address pairs, security groups and no port security come back as given."""
    group = member.network.create_security_group(name=unique)
    one = member.network.create_port(
        network_id=network.id,
        security_group_ids=[group.id],
        allowed_address_pairs=[{"ip_address": "10.10.1.1"}],
        binding_vnic_type="normal",
    )
    assert one.security_group_ids == [group.id]
    assert one.allowed_address_pairs == [{"ip_address": "10.10.1.1", "mac_address": one.mac_address}]
    with pytest.raises(exceptions.ConflictException):
        member.network.delete_security_group(group.id, ignore_missing=False)
    open_port = member.network.create_port(network_id=network.id, port_security_enabled=False)
    assert (open_port.is_port_security_enabled, open_port.security_group_ids) == (False, [])
    for item in (one, open_port):
        member.network.delete_port(item.id)
    member.network.delete_security_group(group.id)


def test_security_group_rules(member: Any, unique: str) -> None:
    """A new group lets everything out; a rule can be added once."""
    group = member.network.create_security_group(name=unique, description="web")
    assert {rule["direction"] for rule in group.security_group_rules} == {"egress"}
    rule = {
        "security_group_id": group.id,
        "direction": "ingress",
        "protocol": "tcp",
        "port_range_min": 80,
        "port_range_max": 80,
    }
    made = member.network.create_security_group_rule(**rule)
    with pytest.raises(exceptions.ConflictException):
        member.network.create_security_group_rule(**rule)
    member.network.delete_security_group_rule(made.id)
    assert member.network.find_security_group(unique).id == group.id
    member.network.delete_security_group(group.id)


def test_network_with_ports_stays(member: Any, port: Any, network: Any) -> None:
    """A network with ports on it is not deleted."""
    with pytest.raises(exceptions.ConflictException):
        member.network.delete_network(network.id, ignore_missing=False)


def test_port_quota(service: Any, stranger: Any, unique: str) -> None:
    """A project without room gets a 409 OverQuota."""
    network = stranger.network.create_network(name=unique)
    project = stranger.current_project_id
    service.network.put(f"/quotas/{project}", json={"quota": {"port": 0}}).raise_for_status()
    with pytest.raises(exceptions.ConflictException, match="Quota exceeded"):
        stranger.network.create_port(network_id=network.id)
    service.network.delete(f"/quotas/{project}")
    stranger.network.delete_network(network.id)


def test_readdressing_a_port(member: Any, network: Any, port: Any) -> None:
    """A port is given another address and name."""
    old = port.fixed_ips[0]["ip_address"]
    subnet = member.network.get_subnet(port.fixed_ips[0]["subnet_id"])
    wanted = str(ipaddress.ip_network(subnet.cidr).broadcast_address - 5)
    changed = member.network.update_port(port.id, name="renamed", fixed_ips=[{"ip_address": wanted}])
    assert (changed.name, changed.fixed_ips[0]["ip_address"]) == ("renamed", wanted)
    assert old not in [
        entry["ip_address"] for item in member.network.ports(network_id=network.id) for entry in item.fixed_ips
    ]
