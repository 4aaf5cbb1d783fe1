"""Servers: found, described, locked, stopped, rebuilt and removed."""

import pytest

from contract.clouds.conftest import Sites
from siterecovery.protector.clouds.base import KEY, Cloud, Disk, PortSpec, Server, ServerSpec
from siterecovery.protector.clouds.topics import ServerTopic
from siterecovery.protector.domain.errors import CloudConflict, CloudNotFound, CloudRefused, CloudUnreachable


@pytest.fixture
def tenant(sites: Sites) -> Cloud:
    return sites.clouds.tenant("site-a", sites.projects["site-a"])


@pytest.fixture
def service(sites: Sites) -> Cloud:
    return sites.clouds.service("site-a", sites.projects["site-a"])


def settled(sites: Sites, cloud: Cloud, server_id: str, status: str) -> Server:
    def there(seen: Server | None) -> bool:
        return seen is not None and seen.status == status and seen.task_state is None

    found = sites.until(lambda: cloud.compute.server(server_id), there)
    assert found is not None
    return found


def test_both_actors_list_the_tenants_servers(tenant: Cloud, service: Cloud) -> None:
    """The service user sees the project's servers as the project itself does."""
    assert {server.name for server in tenant.compute.servers()} >= {"web-server-1", "web-server-2", "db-server"}
    assert {s.id for s in tenant.compute.servers()} == {s.id for s in service.compute.servers()}


def test_servers_of_others_are_unknown(sites: Sites) -> None:
    """Asked on behalf of another project, a server does not exist, not even for the administrator's token."""
    other = sites.login("site-a", "mallory", "other")[2]
    seen = sites.clouds.service("site-a", other).compute
    server = sites.server("web-server-1")
    assert seen.server(server.id) is None
    assert seen.servers() == []
    with pytest.raises(CloudNotFound):
        seen.describe(server.id)


def test_describe_reads_what_a_rebuild_needs(sites: Sites, service: Cloud) -> None:
    """Flavor by id and name, port with address, MAC and groups by name, volumes in boot order with their array names."""
    rebuild, volumes = service.compute.describe(sites.server("web-server-1").id)
    assert rebuild.flavor_name == "m1.small"
    assert rebuild.flavor_id != rebuild.flavor_name
    assert rebuild.flavor["ram"] == 2048
    assert [port.network_name for port in rebuild.ports] == ["net-primary-web"]
    assert rebuild.ports[0].fixed_ips[0]["ip_address"].startswith("10.10.")
    assert rebuild.ports[0].mac_address
    assert rebuild.powered_on
    assert [volume.name for volume in volumes] == ["vol-boot-ws1", "vol-data-ws1"]
    assert [volume.boot_index for volume in volumes] == [0, None]
    assert [volume.bootable for volume in volumes] == [True, False]
    assert all(volume.array_volume_name == f"volume-{volume.volume_id}-cinder" for volume in volumes)
    assert all(volume.device and volume.size for volume in volumes)


def test_a_locked_server_is_stopped_by_us_and_started_by_nobody(sites: Sites, tenant: Cloud, service: Cloud) -> None:
    """LOCK: the administrator stops a locked server, the tenant's token cannot start it until it is unlocked."""
    server = sites.server("web-server-2")
    service.compute.lock(server.id, "protector: a test")
    service.compute.stop(server.id)
    stopped = settled(sites, service, server.id, "SHUTOFF")
    assert stopped.locked
    assert stopped.locked_reason == "protector: a test"
    service.compute.stop(server.id)
    with pytest.raises(CloudConflict):
        tenant.compute.start(server.id)
    service.compute.unlock(server.id)
    tenant.compute.start(server.id)
    settled(sites, service, server.id, "ACTIVE")
    tenant.compute.start(server.id)


def test_a_server_on_its_way_may_be_told_again(sites: Sites, tenant: Cloud, service: Cloud) -> None:
    """Both sites' Protectors may stop the same server: the second finds it going down already, and that is no error."""
    server = sites.server("web-server-2")
    service.compute.stop(server.id)
    service.compute.stop(server.id)
    settled(sites, service, server.id, "SHUTOFF")
    tenant.compute.start(server.id)
    tenant.compute.start(server.id)
    settled(sites, service, server.id, "ACTIVE")


def test_pause_and_unpause_may_be_repeated(sites: Sites, service: Cloud) -> None:
    """Saying it twice is no error."""
    server = sites.server("web-server-2")
    for _ in range(2):
        service.compute.pause(server.id)
        settled(sites, service, server.id, "PAUSED")
    for _ in range(2):
        service.compute.unpause(server.id)
        settled(sites, service, server.id, "ACTIVE")


def test_a_volume_is_kept_when_its_server_goes(sites: Sites, service: Cloud) -> None:
    """delete_on_termination is off afterwards, read back from Nova."""
    server = sites.server("db-server")
    for volume_id in server.volume_ids:
        service.compute.keep_volume(server.id, volume_id)
    _, volumes = service.compute.describe(server.id)
    assert not any(volume.delete_on_termination for volume in volumes)


def test_console_and_flavors_can_be_read(sites: Sites, tenant: Cloud, service: Cloud) -> None:
    """The console's text is text; flavors are found by id and by name, and unknown ones are None."""
    assert isinstance(service.compute.console_output(sites.server("web-server-1").id), str)
    flavor = tenant.compute.flavor("m1.small")
    assert flavor is not None
    assert tenant.compute.flavor(flavor) == flavor
    assert tenant.compute.flavor("m9.huge") is None


def test_what_is_gone_needs_no_deleting(service: Cloud) -> None:
    """Deleting and detaching what is not there is no error; stopping it is."""
    nowhere = "00000000-0000-4000-8000-000000000000"
    service.compute.delete(nowhere)
    service.compute.delete(nowhere, force=True)
    service.compute.detach(nowhere, nowhere)
    with pytest.raises(CloudNotFound):
        service.compute.stop(nowhere)


def test_keypairs_and_server_groups_are_made_once(sites: Sites, tenant: Cloud, service: Cloud) -> None:
    """What exists is used; a keypair without a known public key is not invented; the service user makes neither."""
    name, key = sites.name("key"), "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ6c3ZVw0sE9GkZl0uJ0p4m2cTq7y1XwB5rN8aDfHhKp me"
    assert tenant.compute.ensure_keypair(name, None) is False
    assert tenant.compute.ensure_keypair(name, key) is True
    assert tenant.compute.ensure_keypair(name, None) is True
    group = sites.name("group")
    made = tenant.compute.ensure_server_group(group, "anti-affinity")
    assert tenant.compute.ensure_server_group(group, "anti-affinity") == made
    with pytest.raises(CloudRefused, match="wrong project"):
        service.compute.ensure_keypair(name, key)


def rebuilt(sites: Sites, service: Cloud, key: str) -> ServerSpec:
    """A server like web-server-1 with a blank bootable volume and a port of its own."""
    rebuild, _ = service.compute.describe(sites.server("web-server-1").id)
    if rebuild.key_name:  # another person's: the delegation's own user gets it from what was described
        tenant = sites.clouds.tenant("site-a", sites.projects["site-a"])
        assert tenant.compute.ensure_keypair(rebuild.key_name, rebuild.key_public)
    volume = sites.blank_volume(bootable=True)
    port = service.networks.create_port(
        PortSpec("port", rebuild.ports[0].network_id, sites.projects["site-a"], f"{key}/0")
    )
    metadata = {"protector:group": "g"}
    return ServerSpec("again", rebuild.flavor_id, (Disk(volume, 0),), (port.id,), rebuild, metadata, key)


def test_a_server_is_made_found_by_its_key_and_removed(sites: Sites, tenant: Cloud, service: Cloud) -> None:
    """All disks are mapped at creation; the key finds it in one filtered list; its metadata and tags survive a description."""
    key = f"{sites.name('op')}/recreate_instances/web"
    spec = rebuilt(sites, service, key)
    server_id = tenant.compute.create(spec)
    made = settled(sites, service, server_id, "ACTIVE")
    assert made.volume_ids == (spec.disks[0].volume_id,)
    assert made.metadata[KEY] == key
    assert [s.id for s in service.compute.servers(metadata={KEY: key})] == [server_id]
    assert service.compute.servers(metadata={KEY: f"{key}-other"}) == []
    rebuild, _ = service.compute.describe(server_id)
    assert not any(tag.startswith("protector") for tag in rebuild.tags)
    assert KEY not in rebuild.metadata
    service.compute.delete(server_id)
    sites.until(lambda: service.compute.server(server_id), lambda seen: seen is None)
    assert [port.name for port in service.networks.ports(key=f"{key}/0")] == ["port"]
    service.networks.delete_port(spec.port_ids[0])


def test_a_creation_whose_answer_was_lost_is_found(sites: Sites, tenant: Cloud, service: Cloud) -> None:
    """Nobody knows, says the error; the look-up by key finds exactly one server."""
    key = f"{sites.name('op')}/recreate_instances/web"
    spec = rebuilt(sites, service, key)
    sites.fault("site-a/compute", method="POST", path="/servers$", mode="apply_then_fail", status=0, times=1)
    with pytest.raises(CloudUnreachable):
        tenant.compute.create(spec)
    found = service.compute.servers(metadata={KEY: key})
    assert len(found) == 1
    service.compute.delete(found[0].id)
    sites.until(lambda: service.compute.server(found[0].id), lambda seen: seen is None)


def test_one_list_serves_all_who_wait(sites: Sites, service: Cloud) -> None:
    """A topic reads four servers with one call, and two with two gets."""
    topic = ServerTopic(service)
    ids = [server.id for server in service.compute.servers()]
    nowhere = "00000000-0000-4000-8000-000000000000"
    sites.control("POST", "/calls/reset")
    seen = topic.read(frozenset([*ids[:3], nowhere]))
    assert set(seen) == set(ids[:3])
    counts = [row for row in sites.control("GET", "/calls")["counts"] if row["target"] == "site-a/compute"]
    assert [(row["method"], row["count"]) for row in counts] == [("GET", 1)]
    assert set(topic.read(frozenset([ids[0], nowhere]))) == {ids[0]}
