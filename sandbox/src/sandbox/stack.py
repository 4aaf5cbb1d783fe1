"""`sandbox up`: a detached world and, on it, both Protectors, as an operator would have installed them."""

from __future__ import annotations

import configparser
import io
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sandbox import seed
from sandbox.processes import Process, ProcessError, Registry

_START_SECONDS = 60.0
_PAUSE_SECONDS = 0.1
WORLD = "world"


class Stack:
    """The world and the Protectors of one state directory."""

    def __init__(self, state: Path) -> None:
        self.state = state.resolve()
        self.registry = Registry(self.state)

    @property
    def description(self) -> dict[str, Any]:
        """What the world said about itself (ProcessError when there is none)."""
        file = self.state / "world.json"
        if not file.exists():
            raise ProcessError(f"there is no world in {self.state}; `sandbox up` makes one")
        content: dict[str, Any] = json.loads(file.read_text())
        return content

    def up(self, config: Path | None, *, workload: bool, protectors: bool) -> None:
        """Start what is not running; each part is waited for before the next."""
        self._start_world(config)
        if workload:
            post(f"{self.description['control']}/workload", {})
        if protectors:
            for site in self.description["sites"]:
                self._prepare_protector(site)
            for site in self.description["sites"]:
                self.start_api(site)
                self.start_engine(site)
        self._write_environment()

    def _start_world(self, config: Path | None) -> None:
        try:
            self.registry.find(WORLD)
        except ProcessError:
            for name in ("world.json", "ready"):
                (self.state / name).unlink(missing_ok=True)
            options = ["--config", str(config)] if config else []
            command = [sys.executable, "-m", "sandbox", "world", "--detached", "--state", str(self.state), *options]
            process = self.registry.start(WORLD, command)
            self._wait(process, lambda: (self.state / "ready").exists() and (self.state / "world.json").exists())

    def _wait(self, process: Process, ready: Any) -> None:
        """Until `ready()`; ProcessError with the end of the log when the process dies or takes too long."""
        end = time.monotonic() + _START_SECONDS
        while not ready():
            if not process.alive or time.monotonic() > end:
                raise ProcessError(f"{process.name} did not start:\n{self.registry.last_words(process.name)}")
            time.sleep(_PAUSE_SECONDS)

    def _prepare_protector(self, site: str) -> None:
        """Configuration (kept when it is there, for a database that is there) and database."""
        file = self.conf_file(site)
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch(mode=0o600)
            file.write_text(protector_conf(site, self.description, file.parent, free_port()))
        command = [_program("protector-manage"), "--config-file", str(file), "db", "sync"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ProcessError(f"the database of {site} could not be made:\n{done.stdout}{done.stderr}")

    def conf_file(self, site: str) -> Path:
        """Where a site's Protector is configured."""
        return self.state / site / "protector.conf"

    def start_api(self, site: str) -> None:
        """Start a site's API unless it runs, and open the site's door to it."""
        name, file = f"{site}/protector-api", self.conf_file(site)
        port = _port_of(file)
        if not self._runs(name):
            process = self.registry.start(name, [_program("protector-api"), "--config-file", str(file)])
            self._wait(process, lambda: answers(f"http://127.0.0.1:{port}/"))
        post(f"{self.description['control']}/sites/{site}/protector", {"port": port})

    def start_engine(self, site: str) -> None:
        """Start a site's engine unless it runs."""
        name = engine_name(site)
        if not self._runs(name):
            self.registry.start(name, [_program("protector-engine"), "--config-file", str(self.conf_file(site))])

    def _runs(self, name: str) -> bool:
        return any(process.name == name and process.alive for process in self.registry.all())

    def down(self) -> list[str]:
        """Stop exactly what `up` started, the world last; returns the names."""
        processes = sorted(self.registry.all(), key=lambda process: process.name == WORLD)
        for process in processes:
            self.registry.stop(process)
        for name in ("world.json", "ready", "env"):
            (self.state / name).unlink(missing_ok=True)
        for site in seed.SITES:
            shutil.rmtree(self.state / site, ignore_errors=True)
        return [process.name for process in processes]

    def _write_environment(self) -> None:
        lines = {
            "OS_CLIENT_CONFIG_FILE": self.description["clouds_yaml"],
            "OS_CLOUD": "site-a",
            "OS_SECONDARY_CLOUD": "site-b",
            "SANDBOX_CONTROL": self.description["control"],
            "SANDBOX_STATE": str(self.state),
        }
        text = "".join(f"export {key}={value}\n" for key, value in lines.items())
        (self.state / "env").write_text(text)


def engine_name(site: str) -> str:
    """How a site's engine is called in the registry."""
    return f"{site}/protector-engine"


def _program(name: str) -> str:
    """A command of the product, from this interpreter's environment first; the sandbox imports nothing of it."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise ProcessError(f"{name} is not installed here; install the product, or use `sandbox up --world-only`")
    return found


def free_port() -> int:
    """A port nobody has now; it is written into a configuration, so it cannot be 0."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(url: str) -> bool:
    """Whether anything speaks HTTP there."""
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except urllib.error.HTTPError:
        return True
    except (urllib.error.URLError, OSError):
        return False


def post(url: str, body: Mapping[str, Any], method: str = "POST") -> Any:
    """One call of the control port; ProcessError with its own words when it refuses."""
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}, method=method
    )
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.loads(answer.read() or b"{}")
    except urllib.error.HTTPError as error:
        raise ProcessError(f"{url}: {error.read().decode(errors='replace')}") from error
    except (urllib.error.URLError, OSError) as error:
        raise ProcessError(f"the world does not answer at {url}: {error}") from error


def _port_of(file: Path) -> int:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.read_string(file.read_text())
    return parser.getint("api", "port")


# Short enough that a demonstration of a killed engine does not bore; a real installation keeps the defaults.
_ENGINE = {
    "poll_interval": 0.2,
    "duty_interval": 2,
    "lease_ttl": 5,
    "connect_timeout": 3,
    "call_timeout": 10,
    "server_call_timeout": 2,
}


def protector_conf(site: str, description: Mapping[str, Any], directory: Path, port: int) -> str:
    """The configuration of one site's Protector: it serves on `port` and keeps database and keys in `directory`."""
    here = description["sites"][site]
    sections: dict[str, Mapping[str, object]] = {
        "DEFAULT": {"site_name": site, "state_path": directory},
        "api": {"host": "127.0.0.1", "port": port},
        "engine": _ENGINE,
        "database": {"connection": f"sqlite:///{directory}/protector.sqlite"},
        "keystone_authtoken": {
            "auth_type": "password",
            **_service_login(here),
            "www_authenticate_uri": here["auth_url"],
        },
        "service_auth": _service_login(here),
        "storage": {
            "allowed_array_urls": ",".join(array["url"] for array in description["arrays"].values()),
            "ca_file": description["array_ca"],
        },
        "secrets": {"key_file": directory / "secrets.key", "identity_key_file": directory / "identity.key"},
    }
    for name, entry in description["sites"].items():
        if name != site:
            sections[f"site:{name}"] = _service_login(entry)
    return _ini(sections)


def _service_login(entry: Mapping[str, Any]) -> dict[str, object]:
    """The service user's way into one site's Keystone."""
    password, project, _ = seed.USERS["protector"]
    return {
        "auth_url": entry["auth_url"],
        "username": "protector",
        "password": password,
        "project_name": project,
        "user_domain_name": "Default",
        "project_domain_name": "Default",
        "region_name": entry["region"],
    }


def _ini(sections: Mapping[str, Mapping[str, object]]) -> str:
    """oslo.config's file format; `%` needs no escape there."""
    output = io.StringIO()
    for name, options in sections.items():
        output.write(f"[{name}]\n")
        output.writelines(f"{key} = {value}\n" for key, value in options.items())
        output.write("\n")
    return output.getvalue()
