"""One site's Protector on the test bed: api and engine as processes of their own, the database on MariaDB."""

import configparser
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx
import sqlalchemy

from real.testbed.environment import Sites
from real.testbed.layout import LOOPBACK, SITES, Site
from real.testbed.names import PROTECTOR
from real.testbed.process import wait_until

BIN = Path(sys.executable).parent
ENGINE = {
    "poll_interval": "0.2",
    "duty_interval": "1",
    "lease_ttl": "4",
    "connect_timeout": "3",
    "call_timeout": "15",
    "server_call_timeout": "1",
}
"""Seconds. A killed engine is replaced after the lease, and its operation ends no earlier than both call limits later (DRAIN)."""
UP = 120.0


class Protector:
    """`api` and `engine` of one site. What it keeps besides the database lies in the test bed's `live` directory."""

    def __init__(self, sites: Sites, site: Site) -> None:
        self.site = site
        self._sites = sites
        self._state = sites.live / "protector" / site.name
        self._config = self._state / "protector.conf"

    def begin(self) -> None:
        """Running as freshly installed: an empty schema migrated, new keys, its configuration."""
        shutil.rmtree(self._state, ignore_errors=True)
        self._state.mkdir(parents=True)
        _empty(self.site.protector_database_url)
        parser = configparser.ConfigParser(interpolation=None)
        parser.read_dict(self._settings())
        with self._config.open("w") as file:
            parser.write(file)
        command: list[str | Path] = [BIN / "protector-manage", "--config-file", self._config, "db", "sync"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        self.start()

    def start(self, *programs: str) -> None:
        """Both, or those named; the api answers when this returns."""
        for program in programs or ("api", "engine"):
            command: list[str | Path] = [BIN / f"protector-{program}", "--config-file", self._config]
            self._sites.supervisor.start(self._group(program), program, command)
        wait_until(f"the Protector of {self.site.name}", self._answers, seconds=UP, pause=0.2)

    def kill(self, *programs: str) -> None:
        """kill -9."""
        self._sites.supervisor.stop([self._group(program) for program in programs or ("api", "engine")], kill=True)

    def log(self, program: str = "engine") -> str:
        """All that a program has said so far, over its restarts."""
        file = self._sites.supervisor.log(self._group(program), program)
        return file.read_text() if file.exists() else ""

    def _answers(self) -> bool | None:
        try:
            answer = httpx.get(self.site.url("protector"), timeout=5, trust_env=False)
        except httpx.TransportError:
            return None
        return True if answer.status_code == 200 else None

    def _group(self, program: str) -> str:
        return f"protector-{program}-{self.site.short}"

    def _settings(self) -> Mapping[str, Mapping[str, str]]:
        other = next(site for site in SITES.values() if site is not self.site)
        domains = {"user_domain_name": "Default", "project_domain_name": "Default"}
        own = _account(self.site)
        token = {"auth_type": "password", "www_authenticate_uri": self.site.url("keystone")}
        return {
            "DEFAULT": {"site_name": self.site.name, "state_path": str(self._state)},
            "api": {"host": LOOPBACK, "port": str(self.site.port("protector"))},
            "engine": ENGINE,
            "database": {"connection": self.site.protector_database_url},
            "keystone_authtoken": {**token, **own, **domains},
            "service_auth": own,
            f"site:{other.name}": _account(other),
            "storage": {
                "allowed_array_urls": ",".join(site.array_url for site in SITES.values()),
                "ca_file": str(self._sites.array_ca),
            },
        }


def _account(site: Site) -> dict[str, str]:
    """The service user of a site."""
    return {
        "auth_url": site.url("keystone"),
        "username": PROTECTOR.user,
        "password": PROTECTOR.password,
        "project_name": PROTECTOR.project,
    }


def _empty(url: str) -> None:
    """Drop every table of a schema: a kept test bed remembers the groups of the run before."""
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("SET FOREIGN_KEY_CHECKS = 0"))
        for table in connection.execute(sqlalchemy.text("SHOW TABLES")).scalars().all():
            connection.execute(sqlalchemy.text(f"DROP TABLE `{table}`"))
    engine.dispose()
