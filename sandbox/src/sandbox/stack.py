"""`sandbox up`: a detached world and, on it, both Protectors, as an operator would have installed them."""

from __future__ import annotations

import configparser
import io
import json
import os
import shlex
import shutil
import signal
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
from sandbox.processes import Process, ProcessError
from sandbox.statedir import StateDirectory

_START_SECONDS = 60.0
_PAUSE_SECONDS = 0.1
WORLD = "world"


class Stack(StateDirectory):
    """The world and the Protectors of one state directory."""

    def up(self, config: Path | None, *, workload: bool, protectors: bool) -> None:
        """Start what is not running; what needs another part waits for it."""
        with self.alone():
            self._start_world(config)
            if workload:
                post(f"{self.description['control']}/workload", {})
            if protectors:
                self._start_protectors()
            self._write_environment()

    def _start_world(self, config: Path | None) -> None:
        """Unless it runs. A world lives in memory: when it died, what its Protectors remember is of a world that is gone."""
        if self._runs(WORLD):
            return
        self._clear_away()
        options = ["--config", str(config)] if config else []
        command = [sys.executable, "-m", "sandbox", "world", "--detached", "--state", str(self.state), *options]
        process = self.registry.start(WORLD, command)
        try:
            self._wait(process, lambda: (self.state / "ready").exists() and (self.state / "world.json").exists())
        except ProcessError:
            self._clear_away()
            raise

    def _start_protectors(self) -> None:
        """Both at once: most of the time is spent importing."""
        sites = list(self.description["sites"])
        making = {site: self._prepare_protector(site) for site in sites if not self._runs(api_name(site))}
        said = {site: process.communicate()[0] for site, process in making.items()}
        for site, process in making.items():
            if process.returncode != 0:
                raise ProcessError(f"the database of {site} could not be made:\n{said[site]}")
        for site in sites:
            self._launch_api(site)
            self.start_engine(site)
        for site in sites:
            self._open_door(site)

    def _wait(self, process: Process, ready: Any) -> None:
        """Until `ready()`; ProcessError with the end of the log when the process dies or takes too long."""
        end = time.monotonic() + _START_SECONDS
        while not ready():
            if not process.alive or time.monotonic() > end:
                log = self.registry.log(process.name)
                raise ProcessError(
                    f"{process.name} did not start; it said:\n{self.registry.last_words(process.name)}\nIts log is {log}"
                )
            time.sleep(_PAUSE_SECONDS)

    def _prepare_protector(self, site: str) -> subprocess.Popen[str]:
        """Configuration (kept when it is there, for a database that is there), and its database in the making."""
        file = self.conf_file(site)
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch(mode=0o600)
            file.write_text(protector_conf(site, self.description, file.parent, free_port()))
        command = [program("protector-manage"), "--config-file", str(file), "db", "sync"]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def conf_file(self, site: str) -> Path:
        """Where a site's Protector is configured."""
        return self.state / site / "protector.conf"

    def start_api(self, site: str) -> None:
        """Start a site's API unless it runs, and open the site's door to it."""
        self._launch_api(site)
        self._open_door(site)

    def _launch_api(self, site: str) -> None:
        if not self._runs(api_name(site)):
            file = self.conf_file(site)
            if not _is_free(_port_of(file)):
                _move_to_port(file, free_port())
            self.registry.start(api_name(site), [program("protector-api"), "--config-file", str(file)])

    def _open_door(self, site: str) -> None:
        port = _port_of(self.conf_file(site))
        self._wait(self.registry.find(api_name(site)), lambda: answers(f"http://127.0.0.1:{port}/"))
        post(f"{self.description['control']}/sites/{site}/protector", {"port": port})

    def start_engine(self, site: str) -> None:
        """Start a site's engine unless it runs."""
        name = engine_name(site)
        if not self._runs(name):
            self.registry.start(name, [program("protector-engine"), "--config-file", str(self.conf_file(site))])

    def kill_protector(self, site: str) -> None:
        """kill -9 what runs of a site's Protector (ProcessError when nothing does)."""
        running = [name for name in (api_name(site), engine_name(site)) if self._runs(name)]
        if not running:
            raise ProcessError(f"nothing of {site}'s Protector is running; `sandbox up` starts it")
        for name in running:
            self.registry.send(name, signal.SIGKILL)

    def start_protector(self, site: str) -> None:
        """Start what does not run of a site's Protector (ProcessError when the site never had one)."""
        if not self.conf_file(site).exists():
            raise ProcessError(f"{site} has no Protector; `sandbox up` makes one")
        self.start_api(site)
        self.start_engine(site)

    def _runs(self, name: str) -> bool:
        return any(process.name == name and process.alive for process in self.registry.all())

    def down(self) -> list[str]:
        """Stop exactly what `up` started, the world last; returns the names of what still ran."""
        with self.alone():
            return self._clear_away()

    def _clear_away(self) -> list[str]:
        """Nothing stays but the logs."""
        ran = [process.name for process in self.registry.all() if process.alive]
        self.registry.stop_all(last=WORLD)
        for name in ("world.json", "ready", "env"):
            (self.state / name).unlink(missing_ok=True)
        for site in seed.SITES:
            shutil.rmtree(self.state / site, ignore_errors=True)
        return ran

    def _write_environment(self) -> None:
        """For a shell to source. It holds the arrays' tokens: for its owner only."""
        exports = (
            f"export {key}={shlex.quote(value)}" for key, value in environment(self.description, self.state).items()
        )
        file = self.state / "env"
        file.touch(mode=0o600)
        file.write_text("\n".join([_FORGET_CLOUDS, *exports, ""]))


# A cloud that was configured in this shell before would win over OS_CLOUD.
_FORGET_CLOUDS = "for name in $(env | sed -n 's/^\\(OS_[A-Z0-9_]*\\)=.*/\\1/p'); do unset \"$name\"; done"


def environment(description: Mapping[str, Any], state: Path) -> dict[str, str]:
    """What an operator's shell needs on this world: clouds, the control port, and names for addresses and tokens to type."""
    given = {
        "OS_CLIENT_CONFIG_FILE": description["clouds_yaml"],
        "OS_CLOUD": "site-a",
        "OS_SECONDARY_CLOUD": "site-b",
        "SANDBOX_CONTROL": description["control"],
        "SANDBOX_STATE": str(state),
    }
    for site, entry in description["sites"].items():
        given[f"{_variable(site)}_AUTH_URL"] = entry["auth_url"]
    for name, entry in description["arrays"].items():
        given[f"{_variable(name)}_URL"], given[f"{_variable(name)}_TOKEN"] = entry["url"], entry["token"]
    given["PATH"] = _joined(os.pathsep, str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath))
    for name in ("no_proxy", "NO_PROXY"):
        given[name] = _joined(",", "127.0.0.1", os.environ.get(name, ""))
    return given


def _joined(separator: str, first: str, others: str) -> str:
    """A list in a variable with `first` in front, once."""
    return separator.join([first, *(item for item in others.split(separator) if item not in ("", first))])


def _variable(name: str) -> str:
    return name.upper().replace("-", "_")


def api_name(site: str) -> str:
    """How a site's API is called in the registry."""
    return f"{site}/protector-api"


def engine_name(site: str) -> str:
    """How a site's engine is called in the registry."""
    return f"{site}/protector-engine"


def program(name: str) -> str:
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


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


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
    return _parsed(file).getint("api", "port")


def _move_to_port(file: Path, port: int) -> None:
    """Somebody else took the old one meanwhile. The site's door hides the number from everybody."""
    parser = _parsed(file)
    parser["api"]["port"] = str(port)
    file.write_text(_ini({name: parser[name] for name in parser if parser[name]}))


def _parsed(file: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=False, default_section="(none)")
    parser.read_string(file.read_text())
    return parser


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
