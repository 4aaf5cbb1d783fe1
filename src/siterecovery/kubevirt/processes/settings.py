"""What every controller of the Kubernetes half is told: by flags, or by environment variables of the same name (`SITERECOVERY_CLUSTER_NAME`)."""

import argparse
import dataclasses
import os
import pathlib
import socket
from collections.abc import Callable, Sequence

PREFIX = "SITERECOVERY_"


@dataclasses.dataclass(frozen=True)
class ControllerSettings:
    """`kubeconfig` None: the Pod's own service account. `listen`: where health and metrics are served; "" for nowhere."""

    cluster_name: str
    aliases: tuple[str, ...]
    namespace: str
    kubeconfig: pathlib.Path | None
    context: str | None
    identity: str
    listen: str
    leader_election: bool
    lease_seconds: float
    resync: float
    mirror_interval: float
    storage_interval: float
    workers: int
    linstor: tuple[str, ...]
    debug: bool
    log_json: bool


def parser(name: str, what: str) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog=name,
        description=what,
        epilog=f"Each option may also be an environment variable, such as {PREFIX}CLUSTER_NAME.",
    )

    add = adder(made)
    add("--cluster-name", None, "the name of the cluster this controller works in, as groups call it")
    add("--cluster-aliases", "", "further names of it, separated by commas")
    add("--namespace", "site-recovery", "the controllers' own namespace: its Secrets name the other clusters")
    add("--kubeconfig", None, "default: the file in KUBECONFIG, else the Pod's service account")
    add("--context", None, "of the kubeconfig; default: its current one")
    add("--identity", None, "of this process among its replicas; default: host name and process id")
    add("--listen", "127.0.0.1:8081", "address and port of /healthz, /readyz and /metrics; empty for none")
    add("--leader-election", "true", "false when there is only ever one replica")
    add("--lease-seconds", "15", "how long the leader's Lease lasts")
    add("--resync", "60", "seconds after which every object is looked at again")
    add("--mirror-interval", "300", "seconds after which the copies on the other cluster are compared again")
    add("--storage-interval", "10", "seconds between two looks at the volumes")
    add("--workers", "8", "objects worked on at a time")
    add("--linstor", "", "URLs of LINSTOR's controllers, separated by commas")
    add("--log-format", "text", "text or json")
    add("--debug", "false", "true to log more")
    return made


def adder(made: argparse.ArgumentParser) -> Callable[[str, str | None, str], None]:
    """Adds an option (flag, default, help) that may also be an environment variable."""

    def add(flag: str, default: str | None, text: str) -> None:
        variable = PREFIX + flag.removeprefix("--").replace("-", "_").upper()
        made.add_argument(flag, default=os.environ.get(variable, default), help=text)

    return add


def read(name: str, what: str, arguments: Sequence[str] | None = None) -> ControllerSettings:
    """Ends the process with a sentence (exit code 2) when something is missing or not a number."""
    made = parser(name, what)
    return taken(name, made, made.parse_args(arguments))


def taken(name: str, made: argparse.ArgumentParser, given: argparse.Namespace) -> ControllerSettings:
    """What every controller is told, of the parsed options."""
    if not given.cluster_name:
        made.error(f"--cluster-name (or {PREFIX}CLUSTER_NAME) is missing: say how groups call this cluster")
    try:
        return ControllerSettings(
            cluster_name=given.cluster_name,
            aliases=parts(given.cluster_aliases),
            namespace=given.namespace,
            kubeconfig=_kubeconfig(given.kubeconfig),
            context=given.context,
            identity=given.identity or f"{name}-{socket.gethostname()}-{os.getpid()}",
            listen=given.listen,
            leader_election=_truth(given.leader_election),
            lease_seconds=positive(given.lease_seconds),
            resync=positive(given.resync),
            mirror_interval=positive(given.mirror_interval),
            storage_interval=positive(given.storage_interval),
            workers=max(1, int(given.workers)),
            linstor=parts(given.linstor),
            debug=_truth(given.debug),
            log_json=given.log_format == "json",
        )
    except ValueError as error:
        made.error(str(error))


def _kubeconfig(given: str | None) -> pathlib.Path | None:
    """KUBECONFIG may name several files for kubectl to merge: a controller has one cluster, and takes it only where it is one file."""
    usual = os.environ.get("KUBECONFIG", "")
    named = given or (usual if os.pathsep not in usual else "")
    return pathlib.Path(named) if named else None


def parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _truth(text: str) -> bool:
    if text.lower() in ("true", "yes", "1"):
        return True
    if text.lower() in ("false", "no", "0", ""):
        return False
    raise ValueError(f"{text!r} is neither true nor false")


def positive(text: str) -> float:
    found = float(text)
    if found <= 0:
        raise ValueError(f"{text} must be more than 0 seconds")
    return found
