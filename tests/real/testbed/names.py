"""The names each site is seeded with, the same as in the sandbox; ids differ between the sites, as in life."""

from dataclasses import dataclass

PROJECT, OTHER_PROJECT, SERVICE_PROJECT = "production", "other", "service"


@dataclass(frozen=True)
class Account:
    """A user of the default domain with its one project and its roles there."""

    user: str
    password: str
    project: str
    roles: tuple[str, ...]


DR_ADMIN = Account("dr-admin", "s3cr3t", PROJECT, ("admin", "member"))
OPERATOR = Account("operator", "s3cr3t", PROJECT, ("member",))
MALLORY = Account("mallory", "s3cr3t", OTHER_PROJECT, ("member",))
PROTECTOR = Account("protector", "protector-s3cr3t", SERVICE_PROJECT, ("admin", "service"))
ACCOUNTS = (DR_ADMIN, OPERATOR, MALLORY, PROTECTOR)

# Site -> network -> its subnet. The web networks have the same, so that a moved server can keep its address.
NETWORKS = {
    "a": {"net-primary-web": "10.20.0.0/24", "net-primary-db": "10.21.0.0/24"},
    "b": {"net-secondary-web": "10.20.0.0/24", "net-secondary-db": "10.22.0.0/24", "net-dr-test-web": "10.30.0.0/24"},
}
SMALL, LARGE = (1, 2048, 20), (4, 8192, 40)  # processors, MiB of memory, GiB of disk
FLAVORS = {
    "a": {"m1.small": SMALL, "m1.large": LARGE},
    "b": {"m1.small": SMALL, "m2.large": LARGE},
}
REPLICATED_TYPE, STANDARD_TYPE, GROUP_TYPE = "replicated-ssd", "standard", "consistent"
IMAGE, KEYPAIR, SECURITY_GROUP = "cirros", "ops", "web"


@dataclass(frozen=True)
class Machine:
    """A server of the demonstration workload on site a: its flavor, network and volumes, the boot volume first."""

    name: str
    flavor: str
    network: str
    volumes: tuple[str, ...]


WORKLOAD = (
    Machine("web-server-1", "m1.small", "net-primary-web", ("vol-boot-ws1", "vol-data-ws1")),
    Machine("web-server-2", "m1.small", "net-primary-web", ("vol-boot-ws2",)),
    Machine("db-server", "m1.large", "net-primary-db", ("vol-boot-db", "vol-data-db")),
)
