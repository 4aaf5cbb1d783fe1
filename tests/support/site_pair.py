"""Two Protectors on a sandbox world, as processes of their own: what a scenario plays on."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sandbox.check import Places, Report, check
from sandbox.latency import Latency
from sandbox.world import Running, WorldConfig, background
from support.parting import die_with_parent

BIN = Path(sys.executable).parent
PATIENCE = 60.0


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_for(what: str, seconds: float, ready: Any) -> Any:
    """The first true answer of `ready`, which may fail meanwhile."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            answer = ready()
            if answer:
                return answer
        time.sleep(0.1)
    raise AssertionError(f"{what} did not come within {seconds:.0f} s")


class Protector:
    """One site's api and engine."""

    _database: str | None = None

    def __init__(
        self, site: str, world: Mapping[str, Any], state: Path, engine: Mapping[str, str], database: str | None = None
    ) -> None:
        """`database` is a URL; a SQLite file without it."""
        self.site = site
        self._database = database
        self.state = state / site
        self.state.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.config = self.state / "protector.conf"
        self.config.write_text(self._configuration(world, engine))
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        subprocess.run(
            [BIN / "protector-manage", "--config-file", self.config, "db", "sync"], check=True, capture_output=True
        )

    @property
    def database(self) -> str:
        """Its URL."""
        return self._database or f"sqlite:///{self.state}/protector.sqlite"

    def _configuration(self, world: Mapping[str, Any], engine: Mapping[str, str]) -> str:
        other = next(name for name in world["sites"] if name != self.site)

        def account(name: str) -> str:
            return f"auth_url = {world['sites'][name]['auth_url']}\nusername = protector\npassword = protector-s3cr3t\nproject_name = service\n"

        urls = ",".join(array["url"] for array in world["arrays"].values())
        own = world["sites"][self.site]["auth_url"]
        domains = "user_domain_name = Default\nproject_domain_name = Default\n"
        return (
            f"[DEFAULT]\nsite_name = {self.site}\nstate_path = {self.state}\n"
            f"[api]\nhost = 127.0.0.1\nport = {self.port}\n"
            "[engine]\n"
            + "".join(f"{key} = {value}\n" for key, value in engine.items())
            + f"[database]\nconnection = {self.database}\n"
            f"[keystone_authtoken]\nauth_type = password\n{account(self.site)}{domains}www_authenticate_uri = {own}\n"
            f"[service_auth]\n{account(self.site)}\n[site:{other}]\n{account(other)}\n"
            f"[secrets]\nkey_file = {self.state}/secrets.key\nidentity_key_file = {self.state}/identity.key\n"
            f"[storage]\nallowed_array_urls = {urls}\nca_file = {world['array_ca']}\n"
        )

    def start(self, *names: str) -> None:
        """`api`, `engine`, and more engines as `engine-2`, …"""
        for name in names or ("api", "engine"):
            command = [BIN / f"protector-{name.partition('-')[0]}", "--config-file", self.config]
            with (self.state / f"{name}.log").open("ab") as log:
                self.processes[name] = subprocess.Popen(command, stdout=log, stderr=log, preexec_fn=die_with_parent)

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        process = self.processes.pop(name, None)
        if process is not None:
            process.send_signal(number)
            process.wait(PATIENCE)

    def stop(self) -> None:
        for name in list(self.processes):
            self.kill(name, signal.SIGTERM)


class Pair:
    """Both sites, and the operator's command line."""

    def __init__(
        self, running: Running, state: Path, engine: Mapping[str, str], databases: Mapping[str, str] | None = None
    ) -> None:
        self.running = running
        self.world = running.description
        self.state = state
        known = databases or {}
        self.sites = {site: Protector(site, self.world, state, engine, known.get(site)) for site in self.world["sites"]}
        self.environment = {
            **os.environ,
            "OS_CLIENT_CONFIG_FILE": self.world["clouds_yaml"],
            "OS_CLOUD": "site-a",
            "OS_SECONDARY_CLOUD": "site-b",
        }

    def control(self, method: str, path: str, body: Any = None) -> Any:
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(
            self.world["control"] + path, data, {"Content-Type": "application/json"}, method=method
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def start(self) -> None:
        for site, protector in self.sites.items():
            protector.start()
            self.control("POST", f"/sites/{site}/protector", {"port": protector.port})
        for site in self.sites:
            self.answers(site)

    def answers(self, site: str) -> None:
        """Its API is up."""
        url = f"http://127.0.0.1:{self.sites[site].port}/"
        wait_for("protector-api", PATIENCE, lambda: urllib.request.urlopen(url, timeout=5).status == 200)

    def openstack(self, *arguments: str, code: int = 0, cloud: str | None = None) -> Any:
        """The real `openstack` command; its JSON answer where it has one."""
        environment = {**self.environment, **({"OS_CLOUD": cloud} if cloud else {})}
        done = subprocess.run(
            [BIN / "openstack", *arguments], env=environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == code, (
            f"{' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr}\n{self.logs()}"
        )
        try:
            return json.loads(done.stdout)
        except ValueError:
            return done.stdout

    @property
    def places(self) -> Places:
        """Where the checker looks."""
        databases = {site: protector.database for site, protector in self.sites.items()}
        return Places(self.world["control"], self.world["clouds_yaml"], databases, self.world)

    def check(self, *, settled: bool = True, within: float = 20.0) -> Report:
        """Every invariant holds, as soon as what the engines do by themselves has come to rest."""
        deadline = time.monotonic() + within
        while (report := check(self.places, settled=settled)).findings and time.monotonic() < deadline:
            time.sleep(0.5)
        assert report.ok, f"{report.text()}\n{self.logs()}"
        assert not report.unseen, report.text()
        return report

    def logs(self) -> str:
        """The ends of all logs, for a failure's message."""
        found = sorted(self.state.glob("*/*.log"))
        return "\n".join(f"== {path}\n{path.read_text()[-3000:]}" for path in found)


@contextlib.contextmanager
def site_pair(
    state: Path,
    *,
    latency: Latency | None = None,
    engine: Mapping[str, str] | None = None,
    databases: Mapping[str, str] | None = None,
) -> Iterator[Pair]:
    """`databases`: URLs by site."""
    config = WorldConfig(latency=latency or Latency(), workload=True)
    settings = {
        "poll_interval": "0.1",
        "duty_interval": "1",
        "lease_ttl": "3",
        "call_timeout": "5",
        "server_call_timeout": "1",
        **(engine or {}),
    }
    with background(state / "world", config) as running:
        pair = Pair(running, state, settings, databases)
        try:
            pair.start()
            yield pair
        finally:
            for protector in pair.sites.values():
                protector.stop()


def protected(pair: Pair) -> None:
    """Both sites registered, the project mapped, a group with its policy and the three VMs with five volumes of the demo workload."""
    for site, kind in (("site-a", "primary"), ("site-b", "secondary")):
        url = pair.world["sites"][site]["auth_url"]
        pair.openstack("dr", "site", "create", "--name", site, "--site-type", kind, "--auth-url", url, "-f", "json")
    here, there = (pair.openstack("project", "show", "production", "-f", "json", cloud=s)["id"] for s in pair.sites)
    mapping = ("--local-project", here, "--remote-site", "site-b", "--remote-project", there)
    pair.openstack("dr", "tenant-mapping", "create", *mapping)
    sites = ("--primary-site", "site-a", "--secondary-site", "site-b")
    kind_of = ("--replication-type", "async", "--volume-type", "replicated-ssd")
    pair.openstack("dr", "protection-group", "create", "--name", "prod", *sites, *kind_of)
    one, other = pair.world["arrays"]["array-a"], pair.world["arrays"]["array-b"]
    arrays = ("--primary-fa-url", one["url"], "--primary-fa-token", one["token"])
    arrays += ("--secondary-fa-url", other["url"], "--secondary-fa-token", other["token"])
    pair.openstack("dr", "policy", "create", "prod", *arrays, "--pure-pg-name", "pg-prod")
    for server in pair.openstack("server", "list", "-f", "json"):
        pair.openstack("dr", "member", "add", "prod", "--instance-id", server["ID"])


THERE = (
    "--network-mapping",
    "net-primary-web=net-secondary-web",
    "--network-mapping",
    "net-primary-db=net-secondary-db",
)
THERE += ("--flavor-mapping", "m1.large=m2.large")
BACK = (
    "--network-mapping",
    "net-secondary-web=net-primary-web",
    "--network-mapping",
    "net-secondary-db=net-primary-db",
)
BACK += ("--flavor-mapping", "m2.large=m1.large")
