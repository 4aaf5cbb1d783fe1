"""Where a measurement takes place: a world and two Protectors, each a process of its own, and a protected group of any size."""

import contextlib
import dataclasses
import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import openstack
import yaml

from benchmarks import usage
from benchmarks.enrolment import enrol
from benchmarks.usage import Usage
from sandbox.latency import Latency
from sandbox.stack import Stack, engine_name, free_port, post, protector_conf

BIN = Path(sys.executable).parent
SITES = ("site-a", "site-b")
_SETTINGS = {"write_interval": 3600.0, "token_lifetime": 86_400.0}
"""Of the world: guests that write all the time would only heat the simulator."""


class Stage:
    """`engine` are options of `[engine]`; all others are the product's defaults."""

    def __init__(self, state: Path, engine: Mapping[str, object]) -> None:
        self.stack = Stack(state)
        self.state = self.stack.state
        self._engine = engine
        self._people: Any = None

    @property
    def world(self) -> dict[str, Any]:
        return self.stack.description

    def up(self) -> None:
        self.state.mkdir(parents=True, exist_ok=True)
        config = self.state / "world.yaml"
        config.write_text(yaml.safe_dump(_SETTINGS))
        self.stack.up(config, workload=False, protectors=False)
        self.set_latency(
            Latency(boot=0, start=0, stop=0, delete=0, volume=0, manage=0, transfer=0, boot_concurrency=64)
        )

    def start_protectors(self) -> None:
        for site in SITES:
            directory = self.state / site
            directory.mkdir(parents=True, exist_ok=True)
            file = self.stack.conf_file(site)
            file.touch(mode=0o600)
            file.write_text(self._configuration(site, directory))
        self.stack.up(None, workload=False, protectors=True)

    def _configuration(self, site: str, directory: Path) -> str:
        text = protector_conf(site, self.world, directory, free_port())
        options = "".join(f"{key} = {value}\n" for key, value in self._engine.items())
        return re.sub(r"\[engine\]\n([^\[]*)", f"[engine]\n{options}\n", text)

    def down(self) -> None:
        self.stack.down()

    # ------------------------------------------------------------------------------------------------ the world

    def control(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        if method == "GET":
            with urllib.request.urlopen(self.world["control"] + path, timeout=120) as answer:
                return json.loads(answer.read())
        return post(self.world["control"] + path, body or {}, method)

    def set_latency(self, latency: Latency) -> None:
        self.control("POST", "/latency", dataclasses.asdict(latency))

    def make_machines(self, count: int, volumes: int, prefix: str = "vm") -> dict[str, str]:
        """Names of servers and volumes with their ids."""
        body = json.dumps({"machines": count, "volumes": volumes, "prefix": prefix}).encode()
        request = urllib.request.Request(
            self.world["control"] + "/workload", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=1800) as answer:
            made: dict[str, str] = json.loads(answer.read())
        return made

    def usage(self) -> dict[str, Usage]:
        """By process name: `world`, `site-a/protector-api`, `site-a/protector-engine`, …"""
        return {process.name: usage.of(process.pid) for process in self.stack.registry.all() if process.alive}

    def calls(self) -> dict[tuple[str, str, str], int]:
        """(target, method, path with {id}) → how often, since `reset_calls`."""
        counts = self.control("GET", "/calls")["counts"]
        return {(entry["target"], entry["method"], entry["path"]): entry["count"] for entry in counts}

    def reset_calls(self) -> None:
        self.control("POST", "/calls/reset")

    # ------------------------------------------------------------------------------------------------ its people

    def cloud(self, site: str) -> Any:
        """An openstacksdk connection of dr-admin."""
        os.environ["OS_CLIENT_CONFIG_FILE"] = self.world["clouds_yaml"]
        return openstack.connect(cloud=site)

    def openstack(self, *arguments: str, cloud: str = "site-a") -> Any:
        """The real command; its JSON answer where it has one. Raises CalledProcessError with its words."""
        environment = {
            **os.environ,
            "OS_CLIENT_CONFIG_FILE": self.world["clouds_yaml"],
            "OS_CLOUD": cloud,
            "OS_SECONDARY_CLOUD": "site-b",
        }
        done = subprocess.run([BIN / "openstack", *arguments], env=environment, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"openstack {' '.join(arguments)}: {done.stdout}{done.stderr}")
        with contextlib.suppress(ValueError):
            return json.loads(done.stdout)
        return done.stdout

    def register(self) -> None:
        """Both sites and whose project is whose, as an admin does once."""
        for site, kind in zip(SITES, ("primary", "secondary"), strict=True):
            url = self.world["sites"][site]["auth_url"]
            self.openstack("dr", "site", "create", "--name", site, "--site-type", kind, "--auth-url", url)
        here, there = (self.cloud(site).current_project_id for site in SITES)
        mapping = ("--local-project", here, "--remote-site", "site-b", "--remote-project", there)
        self.openstack("dr", "tenant-mapping", "create", *mapping)

    def protect(self, machines: Mapping[str, str], name: str) -> str:
        """Makes a group with its policy, as a tenant does, and enrols the machines in bulk. Answers the group's id."""
        sites = ("--primary-site", "site-a", "--secondary-site", "site-b")
        kinds = ("--replication-type", "async", "--volume-type", "replicated-ssd", "-f", "json")
        group = self.openstack("dr", "protection-group", "create", "--name", name, *sites, *kinds)
        one, other = self.world["arrays"]["array-a"], self.world["arrays"]["array-b"]
        here_is = ("--primary-fa-url", one["url"], "--primary-fa-token", one["token"])
        there_is = ("--secondary-fa-url", other["url"], "--secondary-fa-token", other["token"])
        self.openstack("dr", "policy", "create", name, *here_is, *there_is, "--pure-pg-name", f"pg-{name}")
        servers = [id for name, id in machines.items() if not name.startswith("vol-")]
        enrol(self.stack.conf_file("site-a"), str(group["id"]), servers)
        return str(group["id"])

    def logs(self) -> str:
        """The ends of all logs, for a failure's message."""
        names = ["world", *(f"{site}/protector-api" for site in SITES), *(engine_name(site) for site in SITES)]
        return "\n".join(f"== {name}\n{self.stack.registry.last_words(name)}" for name in names)


@contextlib.contextmanager
def staged(state: Path, engine: Mapping[str, object] | None = None) -> Iterator[Stage]:
    """An empty world on which nothing runs yet but itself; everything ends with the block."""
    stage = Stage(state, engine or {})
    try:
        stage.up()
        yield stage
    finally:
        stage.down()
