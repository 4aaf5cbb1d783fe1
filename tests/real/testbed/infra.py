"""What both sites share: MariaDB, RabbitMQ (with the Erlang port mapper it needs) and the two simulated arrays."""

import json
import socket
import subprocess
import sys
from pathlib import Path
from string import Template

from .errors import StartError
from .layout import (
    ARRAY_CONTROL_PORT,
    DATABASE_PASSWORD,
    DATABASE_PORT,
    DATABASE_USER,
    DATABASES,
    EPMD_PORT,
    LOOPBACK,
    PROTECTOR_PASSWORD,
    RABBIT_DISTRIBUTION_PORT,
    RABBIT_PORT,
    SITES,
    TEMPLATES,
    Layout,
    Site,
)
from .process import Supervisor, wait_until

GROUP = "infra"
ARRAYS = "arrays"
RABBIT_USER, RABBIT_PASSWORD = "openstack", "openstack-s3cr3t"
ERLANG = "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}"


def transport_url(site: Site) -> str:
    """The oslo.messaging address of a site: one virtual host each."""
    return f"rabbit://{RABBIT_USER}:{RABBIT_PASSWORD}@{LOOPBACK}:{RABBIT_PORT}/{site.name}"


def start_infra(layout: Layout, supervisor: Supervisor) -> None:
    """Start all of it, preparing empty data directories where there are none; returns when the ports answer."""
    _start_rabbitmq(layout, supervisor)  # first: the Erlang machine boots while MariaDB is prepared
    _start_mariadb(layout, supervisor)
    start_arrays(layout, supervisor)
    for port in (DATABASE_PORT, RABBIT_PORT, ARRAY_CONTROL_PORT, *(site.array_port for site in SITES.values())):
        wait_for_port(port, supervisor)


def start_arrays(layout: Layout, supervisor: Supervisor) -> None:
    """Start the simulator of both arrays; it keeps its state in `layout.live`."""
    arguments = [f"--array={site.array}={site.array_port}:{site.array_token}" for site in SITES.values()]
    command = [sys.executable, "-m", "sandbox.array", "--state", str(array_state(layout)), *arguments]
    supervisor.start(ARRAYS, "simulator", [*command, "--control-port", str(ARRAY_CONTROL_PORT)])


def array_state(layout: Layout) -> Path:
    """Where the simulator keeps its state and the certificate clients verify it with."""
    return layout.live / "arrays"


def wait_for_port(port: int, supervisor: Supervisor, seconds: float = 60) -> None:
    """Wait until something listens on a port of ours, and give up when a process of the infrastructure died."""

    def probe() -> bool | None:
        supervisor.require(GROUP)
        supervisor.require(ARRAYS)
        with socket.socket() as candidate:
            candidate.settimeout(1)
            return True if candidate.connect_ex((LOOPBACK, port)) == 0 else None

    wait_until(f"port {port} to open", probe, seconds=seconds, pause=0.1)


def _start_rabbitmq(layout: Layout, supervisor: Supervisor) -> None:
    state = layout.live / "rabbitmq"
    state.mkdir(parents=True, exist_ok=True)
    names = {"rabbit_port": RABBIT_PORT, "live": layout.live}
    (state / "rabbitmq.conf").write_text(Template((TEMPLATES / "rabbitmq.conf").read_text()).substitute(names))
    (state / "definitions.json").write_text(json.dumps(_definitions()))
    (state / "enabled_plugins").write_text("[].\n")
    env = {
        "HOME": str(state),  # for the Erlang cookie
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_CONFIG_FILE": str(state / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(state / "enabled_plugins"),
        "RABBITMQ_MNESIA_BASE": str(state / "mnesia"),
        "RABBITMQ_LOG_BASE": str(layout.log / GROUP),
        "RABBITMQ_NODENAME": "siterecovery@localhost",
        "RABBITMQ_DIST_PORT": str(RABBIT_DISTRIBUTION_PORT),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": ERLANG,
        "ERL_EPMD_PORT": str(EPMD_PORT),
        "ERL_EPMD_ADDRESS": LOOPBACK,
    }
    # Started by us, because RabbitMQ would leave a port mapper of its own behind. The Debian wrapper in /usr/sbin is
    # passed by: it changes the user.
    supervisor.start(GROUP, "epmd", ["/usr/bin/epmd", "-address", LOOPBACK, "-port", str(EPMD_PORT)])
    wait_for_port(EPMD_PORT, supervisor)
    supervisor.start(GROUP, "rabbitmq", ["/usr/lib/rabbitmq/bin/rabbitmq-server"], env)


def _definitions() -> dict[str, list[dict[str, str]]]:
    """The account and virtual hosts that RabbitMQ loads at its start."""
    rights = {"user": RABBIT_USER, "configure": ".*", "write": ".*", "read": ".*"}
    return {
        "users": [{"name": RABBIT_USER, "password": RABBIT_PASSWORD, "tags": ""}],
        "vhosts": [{"name": site.name} for site in SITES.values()],
        "permissions": [{**rights, "vhost": site.name} for site in SITES.values()],
    }


def _socket(layout: Layout) -> Path:
    return layout.run / "mariadb.sock"


def _start_mariadb(layout: Layout, supervisor: Supervisor) -> None:
    data = layout.live / "mariadb"
    layout.run.mkdir(parents=True, exist_ok=True)
    config = layout.live / "mariadb.cnf"
    names = {"live": layout.live, "run": layout.run, "socket": _socket(layout), "database_port": DATABASE_PORT}
    config.write_text(Template((TEMPLATES / "mariadb.cnf").read_text()).substitute(names))
    if not (data / "mysql").exists():
        prepare = ["mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={data}", "--skip-test-db"]
        options = ["--auth-root-authentication-method=normal", "--innodb-file-per-table=0"]
        _run([*prepare, *options])
    supervisor.start(GROUP, "mariadbd", ["/usr/sbin/mariadbd", f"--defaults-file={config}"])


def create_schemas(layout: Layout, site: Site) -> None:
    """Drop and create the schemas of a site's services, and the one of its Protector with an account of its own."""
    services = [f"{site.short}_{database}" for database in DATABASES]
    protector = f"protector_{site.short}"
    statements = [f"DROP DATABASE IF EXISTS {name}; CREATE DATABASE {name};" for name in services]
    statements += [f"DROP DATABASE IF EXISTS {protector}; CREATE DATABASE {protector} CHARACTER SET utf8mb4;"]
    for user, password, schemas in (
        (DATABASE_USER, DATABASE_PASSWORD, services),
        (protector, PROTECTOR_PASSWORD, [protector]),
    ):
        statements.append(f"CREATE USER IF NOT EXISTS '{user}'@'{LOOPBACK}' IDENTIFIED BY '{password}';")
        statements += [f"GRANT ALL ON {schema}.* TO '{user}'@'{LOOPBACK}';" for schema in schemas]
    _run(["mariadb", "--no-defaults", "-uroot", "-S", str(_socket(layout))], "\n".join(statements))


def _run(command: list[str], text: str = "") -> None:
    """Run a short command; StartError with what it printed if it fails."""
    done = subprocess.run(command, input=text, text=True, capture_output=True, check=False)
    if done.returncode:
        raise StartError(f"{command[0]}: {done.stderr.strip()}")
