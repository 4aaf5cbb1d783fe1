"""What a fresh site is given: accounts, catalog, types, networks, and on site a the demonstration workload.

Every part looks before it creates, so that an interrupted `init` can be repeated.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from .clouds import BOOTSTRAP, connected
from .errors import StartError
from .layout import BACKEND, REGION, SERVICE_PASSWORD, SERVICE_USER, Site
from .names import (
    ACCOUNTS,
    FLAVORS,
    GROUP_TYPE,
    IMAGE,
    KEYPAIR,
    NETWORKS,
    REPLICATED_TYPE,
    SECURITY_GROUP,
    SERVICE_PROJECT,
    STANDARD_TYPE,
    WORKLOAD,
    Account,
    Machine,
)
from .process import wait_until

SERVICES = Account(SERVICE_USER, SERVICE_PASSWORD, SERVICE_PROJECT, ("admin", "service"))
REPLICATED = {"volume_backend_name": BACKEND, "replication_enabled": "<is> True", "replication_type": "<in> async"}
CONSISTENT = {"consistent_group_snapshot_enabled": "<is> True"}
SECONDS = 90.0  # for a volume or a server to become what it should


def seed_identity(site: Site) -> None:
    """Projects, users, roles and the catalog: all that the other services need before they can be spoken to."""
    with connected(site, BOOTSTRAP) as cloud:
        identity = cloud.identity
        roles = {role.name: role for role in identity.roles()}
        for account in (SERVICES, *ACCOUNTS):
            project = identity.find_project(account.project) or identity.create_project(
                name=account.project, domain_id="default"
            )
            user = identity.find_user(account.user) or identity.create_user(
                name=account.user, password=account.password, domain_id="default", default_project_id=project.id
            )
            for role in account.roles:
                roles[role] = roles.get(role) or identity.create_role(name=role)
                identity.assign_project_role_to_user(project, user, roles[role])
        for kind, name, url in _catalog(site):
            if identity.find_service(name) is None:
                service = identity.create_service(type=kind, name=name)
                for interface in ("public", "internal", "admin"):
                    identity.create_endpoint(service_id=service.id, interface=interface, url=url, region_id=REGION)


def _catalog(site: Site) -> Sequence[tuple[str, str, str]]:
    """Type, name and address of each service; Cinder is found by its old type and its new one."""
    return (
        ("placement", "placement", site.url("placement")),
        ("compute", "nova", site.url("nova") + "/v2.1"),
        ("volumev3", "cinderv3", site.url("cinder") + "/v3"),
        ("block-storage", "cinder", site.url("cinder") + "/v3"),
        ("network", "neutron", site.url("neutron")),
        ("image", "glance", site.url("glance")),
        ("protector", "protector", site.url("protector")),
    )


def seed_resources(site: Site) -> None:
    """Flavors, volume and group types, networks, an image, a keypair, a security group; on site a the workload."""
    with connected(site) as cloud:
        for name, (processors, memory, disk) in FLAVORS[site.short].items():
            if cloud.compute.find_flavor(name) is None:
                cloud.compute.create_flavor(name=name, vcpus=processors, ram=memory, disk=disk)
        _volume_types(cloud.block_storage)
        for name, addresses in NETWORKS[site.short].items():
            if cloud.network.find_network(name) is None:
                network = cloud.network.create_network(name=name)
                cloud.network.create_subnet(name=f"{name}-subnet", network_id=network.id, ip_version=4, cidr=addresses)
        if cloud.image.find_image(IMAGE) is None:
            cloud.image.create_image(
                IMAGE, data=b"not a real disk: no guest ever reads it", disk_format="raw", container_format="bare"
            )
        if cloud.compute.find_keypair(KEYPAIR) is None:
            cloud.compute.create_keypair(name=KEYPAIR)
        if site.short == "a":
            if cloud.network.find_security_group(SECURITY_GROUP) is None:
                cloud.network.create_security_group(name=SECURITY_GROUP, description="web servers")
            for machine in WORKLOAD:
                _start_machine(cloud, machine)


def _volume_types(storage: Any) -> None:
    """The two volume types and the group type that makes a Cinder group one consistency group on the array."""
    types: Mapping[str, dict[str, str]] = {REPLICATED_TYPE: REPLICATED, STANDARD_TYPE: {"volume_backend_name": BACKEND}}
    for name, specs in types.items():
        if storage.find_type(name) is None:
            storage.create_type(name=name, extra_specs=specs)
    if storage.find_group_type(GROUP_TYPE) is None:
        storage.create_group_type_group_specs(storage.create_group_type(name=GROUP_TYPE), CONSISTENT)


def _start_machine(cloud: Any, machine: Machine) -> None:
    """Boot a server from a blank bootable volume with its further volumes attached, unless it is there."""
    if cloud.compute.find_server(machine.name) is not None:
        return
    volumes = [blank_volume(cloud, name, bootable=position == 0) for position, name in enumerate(machine.volumes)]
    boot_from_volumes(
        cloud,
        machine.name,
        [volume.id for volume in volumes],
        flavor=machine.flavor,
        network=machine.network,
        key_name=KEYPAIR,
    )


def blank_volume(cloud: Any, name: str, *, bootable: bool, size: int = 1, volume_type: str = REPLICATED_TYPE) -> Any:
    """A volume of `size` GiB with nothing on it, available; flagged bootable on demand, which needs no image."""
    storage = cloud.block_storage
    volume = storage.create_volume(name=name, size=size, volume_type=volume_type)
    wait_for_status(storage.get_volume, volume.id, "available")
    if bootable:
        storage.set_volume_bootable_status(volume, True)
    return storage.get_volume(volume.id)


def boot_from_volumes(
    cloud: Any, name: str, volumes: Sequence[str], *, flavor: str, network: str, **options: Any
) -> Any:
    """A server that boots from the first of these volumes and has the others as data disks, ACTIVE."""
    compute = cloud.compute
    mapping = [
        {
            "boot_index": 0 if position == 0 else -1,
            "uuid": volume,
            "source_type": "volume",
            "destination_type": "volume",
            "delete_on_termination": False,
        }
        for position, volume in enumerate(volumes)
    ]
    server = compute.create_server(
        name=name,
        flavor_id=compute.find_flavor(flavor).id,
        networks=[{"uuid": cloud.network.find_network(network).id}],
        block_device_mapping=mapping,
        **options,
    )
    return wait_for_status(compute.get_server, server.id, "ACTIVE")


def wait_for_status(get: Any, resource: str, status: str, seconds: float = SECONDS) -> Any:
    """The resource once it has this status; StartError after `seconds` or as soon as it is in any kind of error."""

    def probe() -> Any:
        found = get(resource)
        if found.status == status:
            return found
        if "error" in found.status.lower():
            raise StartError(
                f"{type(found).__name__} {resource} is {found.status}, not {status}: {getattr(found, 'fault', None)}"
            )
        return None

    return wait_until(f"{resource} to be {status}", probe, seconds=seconds)
