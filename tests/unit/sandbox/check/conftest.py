"""A world in a thread, with the demo workload; and one on which both Protectors have told a real story."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.check import Finding, Places, Report, check
from sandbox.check.checking import look
from sandbox.check.picture import Picture
from sandbox.seed import WORKLOAD
from sandbox.world import Running, WorldConfig, background
from support.operator import wait_for
from support.stage import Stage as Sites
from support.stage import stage as two_sites


class Stage:
    """A running world and its control port."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.world = running.description

    def control(self, method: str, path: str, body: Any = None) -> Any:
        data = json.dumps(body).encode() if body is not None else None
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.world["control"] + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or b"null")

    def history(self, kind: str, event: str) -> list[dict[str, Any]]:
        return [e for e in self.control("GET", "/history") if (e["kind"], e["event"]) == (kind, event)]

    def array(self, site: str, method: str, path: str, body: Any = None, **query: str) -> list[dict[str, Any]]:
        """One call of an array's own API, in the world's loop."""

        async def call() -> Any:
            return self.running.world.fabric.arrays[self.world["sites"][site]["array"]].call(method, path, query, body)

        status, answer = self.running.call(call())
        assert status == 200, answer
        items: list[dict[str, Any]] = answer.get("items", [])
        return items


class Story(Stage):
    """Two VMs moved to site-b and home again. Both engines are stopped then: what a test breaks stays broken until it mends it."""

    def __init__(self, sites: Sites, state: Path) -> None:
        super().__init__(sites.running)
        self.sites = sites
        self.state = state
        self.group = sites.protected("prod", *WORKLOAD[:2])
        for site, verb in (("site-a", sites.operator.failover), ("site-b", sites.operator.failback)):
            ended = sites.operator.ended(site, verb(self.group))
            assert ended.status == "completed", ended
            sites.settled(self.group)
        wait_for("a clean world", lambda: self.check() if self.check().ok else None)
        for site in sites.sites.values():
            site.stop_engine()

    @property
    def places(self) -> Places:
        databases = {site: f"sqlite:///{self.state}/{site}/protector.sqlite" for site in self.world["sites"]}
        return Places(self.world["control"], self.world["clouds_yaml"], databases, self.world)

    def check(self) -> Report:
        return check(self.places)

    def findings(self) -> tuple[Finding, ...]:
        return self.check().findings

    def picture(self) -> Picture:
        return look(self.places)[0]

    def sql(self, site: str, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with contextlib.closing(sqlite3.connect(self.state / site / "protector.sqlite", timeout=30)) as database:
            rows = database.execute(statement, values).fetchall()
            database.commit()
            return rows

    @contextlib.contextmanager
    def changed(self, site: str, table: str, id: str, **values: Any) -> Iterator[None]:
        """A row says something else for a while."""
        before = self.sql(site, f"SELECT {', '.join(values)} FROM {table} WHERE id = ?", id)[0]
        change = f"UPDATE {table} SET {', '.join(f'{name} = ?' for name in values)} WHERE id = ?"
        self.sql(site, change, *values.values(), id)
        try:
            yield
        finally:
            self.sql(site, change, *before, id)

    def call(self, site: str, service: str, method: str, path: str, body: Any = None, version: str = "") -> Any:
        """An OpenStack API as the tenant, who is an administrator here."""
        found = self.sites.operator.sessions[site].request(
            path,
            method,
            json=body,
            headers={"OpenStack-API-Version": version} if version else {},
            endpoint_filter={"service_type": service, "interface": "public"},
        )
        return found.json() if found.content else None

    def move(self, type: str) -> str:
        """The operation of that type, on the site that ran it."""
        site = "site-a" if type == "failover" else "site-b"
        return str(self.sql(site, "SELECT id FROM operations WHERE type = ?", type)[0][0])

    def member(self, name: str) -> str:
        """The server of a member."""
        return str(self.sql("site-a", "SELECT instance_id FROM members WHERE instance_name = ?", name)[0][0])


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with background(tmp_path / "world", WorldConfig(workload=True)) as running:
        yield Stage(running)


@pytest.fixture(scope="session")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    state = tmp_path_factory.mktemp("story")
    with two_sites(state) as sites:
        yield Story(sites, state)
