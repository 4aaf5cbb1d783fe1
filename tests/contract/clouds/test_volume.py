"""Volumes: managed and unmanaged, grouped, typed, counted against the tenant's quota."""

import pytest

from contract.clouds.conftest import Sites
from siterecovery.protector.clouds.base import KEY, Cloud, ManageSpec
from siterecovery.protector.clouds.topics import GroupTopic, VolumeTopic
from siterecovery.protector.domain.errors import CloudConflict, CloudRefused


@pytest.fixture
def tenant(sites: Sites) -> Cloud:
    return sites.clouds.tenant("site-a", sites.projects["site-a"])


@pytest.fixture
def service(sites: Sites) -> Cloud:
    return sites.clouds.service("site-a", sites.projects["site-a"])


def available(sites: Sites, cloud: Cloud, volume_id: str) -> None:
    sites.until(lambda: cloud.volumes.volume(volume_id), lambda seen: seen is not None and seen.status == "available")


def test_types_are_read_with_their_specs(service: Cloud, tenant: Cloud) -> None:
    """The tenant's cloud answers as the service user's: members see no specs, so these are read for them."""
    replicated = tenant.volumes.volume_type("replicated-ssd")
    assert replicated is not None
    assert (replicated.replication_enabled, replicated.replication_type, replicated.backend) == (True, "async", "pure")
    assert service.volumes.volume_type(replicated.id) == replicated
    standard = service.volumes.volume_type("standard")
    assert standard is not None
    assert (standard.replication_enabled, standard.replication_type) == (False, None)
    assert service.volumes.volume_type("nothing") is None


def test_the_host_of_a_type_is_found(sites: Sites, service: Cloud) -> None:
    """host@backend#pool of the live service whose backend the type names."""
    wanted = sites.world.description["sites"]["site-a"]["cinder_host"]
    assert service.volumes.service_host("replicated-ssd") == wanted


def test_unmanage_and_manage_again(sites: Sites, tenant: Cloud, service: Cloud) -> None:
    """An array volume leaves Cinder and comes back under a new id, findable by its key, in the tenant's project."""
    old = sites.blank_volume()
    service.volumes.set_metadata(old, {"purpose": "test"})
    tenant.volumes.unmanage(old)
    sites.until(lambda: service.volumes.volume(old), lambda seen: seen is None)
    tenant.volumes.unmanage(old)
    key = f"{sites.name('op')}/manage_volumes_cinder/v"
    host = service.volumes.service_host("replicated-ssd")
    spec = ManageSpec(f"volume-{old}-cinder-unmanaged", host, "back", "replicated-ssd", True, {KEY: key})
    managed = tenant.volumes.manage(spec)
    available(sites, service, managed)
    found = service.volumes.volume(managed)
    assert found is not None
    assert found.bootable
    assert found.array_volume_name == f"volume-{managed}-cinder"
    assert found.project_id == sites.projects["site-a"]
    service.volumes.set_metadata(managed, {KEY: key})  # the driver forgets the metadata that manage was sent with
    assert [volume.id for volume in service.volumes.volumes(metadata={KEY: key})] == [managed]
    service.volumes.set_image_metadata(managed, {"hw_disk_bus": "virtio"})
    service.volumes.set_bootable(managed, False)
    again = service.volumes.volume(managed)
    assert again is not None
    assert again.image_metadata["hw_disk_bus"] == "virtio"
    assert not again.bootable
    for _ in range(2):
        service.volumes.delete(managed)
        sites.until(lambda: service.volumes.volume(managed), lambda seen: seen is None)


def test_managing_what_is_not_there_ends_in_error_managing(sites: Sites, tenant: Cloud, service: Cloud) -> None:
    """Cinder accepts the call and finds out later: the volume says so."""
    host = service.volumes.service_host("replicated-ssd")
    managed = tenant.volumes.manage(ManageSpec("nowhere", host, "x", "replicated-ssd", False, {}))
    sites.until(lambda: service.volumes.volume(managed), lambda v: v is not None and v.status == "error_managing")
    service.volumes.delete(managed)


def test_the_service_user_manages_nothing_for_itself(sites: Sites, service: Cloud) -> None:
    """Refused before anything is sent: the volume would land in the service project and eat its quota."""
    with pytest.raises(CloudRefused, match="wrong project"):
        service.volumes.manage(ManageSpec("x", "h", "x", "replicated-ssd", False, {}))


def test_groups_take_and_give_volumes_and_go_empty(sites: Sites, tenant: Cloud, service: Cloud) -> None:
    """Adding and removing may be repeated; a group with volumes is not deleted; its key finds it."""
    volumes = [sites.blank_volume() for _ in range(2)]
    key = f"{sites.name('op')}/create_cinder_group"
    group = tenant.volumes.create_group(sites.name("cg"), "replicated-ssd", key)
    topic = GroupTopic(service)

    def settle() -> None:
        sites.until(lambda: topic.read(frozenset([group])).get(group), lambda status: status == "available")

    settle()
    assert service.volumes.find_group(key) == group
    assert service.volumes.find_group(f"{key}-other") is None
    for _ in range(2):
        tenant.volumes.update_group(group, add=volumes)
        settle()
    assert sorted(service.volumes.group_volumes(group)) == sorted(volumes)
    with pytest.raises(CloudConflict, match="still holds 2 volumes"):
        tenant.volumes.delete_group(group)
    for _ in range(2):
        tenant.volumes.update_group(group, remove=volumes)
        settle()
    for _ in range(2):
        tenant.volumes.delete_group(group)
        sites.until(lambda: service.volumes.group_status(group), lambda status: status is None)
    assert all(service.volumes.volume(volume) for volume in volumes)


def test_quota_is_the_tenants(sites: Sites, tenant: Cloud, service: Cloud) -> None:
    """Both actors read the same remainder, and a new volume uses it up."""
    before = tenant.volumes.quota_left("replicated-ssd")
    assert service.volumes.quota_left("replicated-ssd") == before
    sites.blank_volume()
    volumes, gigabytes = tenant.volumes.quota_left("replicated-ssd")
    assert (volumes, gigabytes) == (before[0] - 1, before[1] - 1)


def test_volumes_of_others_are_unknown(sites: Sites, service: Cloud) -> None:
    """Asked on behalf of another project, a volume does not exist."""
    other = sites.clouds.service("site-a", sites.login("site-a", "mallory", "other")[2]).volumes
    mine = service.volumes.volumes()[0]
    assert other.volume(mine.id) is None
    assert mine.id not in {volume.id for volume in other.volumes()}


def test_a_volume_topic_reads_many_with_one_list(sites: Sites, service: Cloud) -> None:
    """Five volumes of the workload cost one call."""
    ids = frozenset(volume.id for volume in service.volumes.volumes())
    sites.control("POST", "/calls/reset")
    assert set(VolumeTopic(service).read(ids)) == ids
    counts = [row for row in sites.control("GET", "/calls")["counts"] if row["target"] == "site-a/volume"]
    assert sum(row["count"] for row in counts) <= 1
