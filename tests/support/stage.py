"""Two sandbox sites with their Protectors in the test's own process: quick to set up, and an engine can be put down like a dead one."""

import asyncio
import contextlib
import dataclasses
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from waitress import wasyncore
from waitress.server import create_server

from sandbox.check import Places, check
from sandbox.latency import Latency
from sandbox.seed import Machine, create_workload
from sandbox.world import Running, WorldConfig, background
from siterecovery.protector.engine import Engine, EngineSettings
from siterecovery.protector.planning import Limits, Planning
from siterecovery.protector.processes import manage, settings, wiring
from siterecovery.workflow.clock import SystemClock
from siterecovery.workflow.watch import Pace
from siterecovery.workflow.workers import ThreadWorkers
from support.operator import Operator, wait_for
from support.site_pair import Protector

QUICK = Latency(
    boot=0.05,
    start=0.02,
    stop=0.02,
    delete=0.02,
    reboot=0.02,
    volume=0.01,
    manage=0.02,
    attach=0.01,
    detach=0.01,
    transfer=0.05,
)
ENGINE = {
    "poll_interval": "0.05",
    "duty_interval": "0.5",
    "lease_ttl": "30",
    "call_timeout": "20",
    "server_call_timeout": "1",
}
PACE = Pace(0.02, 0.1)
PATIENCE = 20.0
"""Seconds in which a world comes to rest by itself."""


class HastyClock(SystemClock):
    """Never waits long: what others wait for (leases, late calls of the dead) is over by construction here."""

    async def sleep(self, seconds: float) -> None:
        await super().sleep(min(seconds, 0.4))


class Loop:
    """An engine on an event loop in a thread of its own."""

    def __init__(self, engine: Engine, close: Callable[[], None]) -> None:
        self.engine = engine
        self._close = close
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=f"engine {engine.name}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self._task = self._loop.create_task(self.engine.run())
        with contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._task)

    def stop(self) -> None:
        """Cleanly, handing over what is under way."""
        self._loop.call_soon_threadsafe(self.engine.stop)
        self._end()

    def put_down(self) -> None:
        """Without a word: every task ends where it is."""
        self._loop.call_soon_threadsafe(self._cancel_all)
        self._end()

    def _cancel_all(self) -> None:
        for task in asyncio.all_tasks(self._loop):
            task.cancel()

    def _end(self) -> None:
        self._thread.join(60)
        assert not self._thread.is_alive(), "the engine does not end"
        self._loop.run_until_complete(self._rest())
        self._loop.close()
        self._close()

    async def _rest(self) -> None:
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


class Site(Protector):
    """One site's API in a thread; its engines as the test wants them."""

    def __init__(self, site: str, world: dict[str, Any], state: Path) -> None:
        self.site = site
        self.state = state / site
        self.state.mkdir(parents=True, exist_ok=True)
        self.port = 0
        config = self.state / "protector.conf"
        config.write_text(self._configuration(world, ENGINE))
        self.config = config
        self.settings = settings.load([config])
        assert manage.main(["--config-file", str(config), "db", "sync"]) == 0
        self.parts = wiring.make_parts(self.settings)
        app = wiring.make_app(self.settings, wiring.make_services(self.parts))
        self._sockets: dict[int, Any] = {}
        self._server = create_server(app, host="127.0.0.1", port=0, threads=8, map=self._sockets, ident=None)
        self.port = self._server.effective_port
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._serve, name=f"api {site}", daemon=True)
        self._thread.start()
        self.engine: Loop | None = None

    def _serve(self) -> None:
        while not self._closing.is_set():
            wasyncore.loop(timeout=0.05, map=self._sockets, count=1)
        # In the thread that selects on them: sockets closed by another one end the loop with "Bad file descriptor" now and then.
        wasyncore.close_all(self._sockets)

    def start_engine(self) -> None:
        if self.engine is None:
            workers = ThreadWorkers(16, 4)
            parts = wiring.make_parts(self.settings)

            def close() -> None:
                workers.close()
                parts.close()

            self.engine = Loop(self.make_engine(parts, workers), close)

    def stop_engine(self) -> None:
        engine, self.engine = self.engine, None
        if engine is not None:
            engine.stop()

    def make_engine(self, parts: wiring.Parts, workers: Any, planner: Any = None) -> Engine:
        wanted = self.settings.engine
        limits = Limits(wanted.stop_timeout, wanted.boot_timeout, wanted.transfer_timeout)
        planning = planner or Planning(parts.store, parts.clouds, parts.drivers, parts.peers, limits)
        times = EngineSettings(wanted.poll_interval, wanted.lease_ttl, wanted.duty_interval, wanted.operations, PACE)
        return Engine(parts.store, planning, HastyClock(), workers, times, duties=parts.duties)

    def expire_leases(self) -> None:
        """Time passes: whoever held an operation here and did not give it back has lost it."""
        with self._opened() as database:
            database.execute("UPDATE operations SET lease_expires_at = 1 WHERE lease_owner IS NOT NULL")
            database.commit()

    def note_take_over(self, operation: str) -> None:
        """As if its first engine had been frozen, and another one had taken it over."""
        with self._opened() as database:
            database.execute("UPDATE operations SET lease_taken_over_at = 1 WHERE id = ?", (operation,))
            database.commit()

    def busy(self, group: str) -> bool:
        """Whether any operation of the group is under way here, also those that are not shown to tenants."""
        with self._opened() as database:
            query = "SELECT count(*) FROM operations WHERE group_id = ? AND open"
            return bool(database.execute(query, (group,)).fetchone()[0])

    def _opened(self) -> contextlib.closing[sqlite3.Connection]:
        return contextlib.closing(sqlite3.connect(self.state / "protector.sqlite", timeout=30))

    def close(self) -> None:
        self.stop_engine()
        self._server.task_dispatcher.shutdown(cancel_pending=False)
        self._closing.set()
        self._thread.join(10)
        assert not self._thread.is_alive(), "the API does not end"
        self.parts.close()


@dataclasses.dataclass
class Stage:
    running: Running
    sites: dict[str, Site]
    operator: Operator

    @property
    def world(self) -> dict[str, Any]:
        return self.running.description

    def settled(self, group: str) -> None:
        """Nothing of the group goes on at either site."""
        wait_for(f"group {group} to settle", lambda: None if any(s.busy(group) for s in self.sites.values()) else True)

    def check(self) -> None:
        """Every invariant holds, as soon as what the engines do by themselves has come to rest."""
        databases = {name: f"sqlite:///{site.state}/protector.sqlite" for name, site in self.sites.items()}
        places = Places(self.world["control"], self.world["clouds_yaml"], databases, self.world)
        deadline = time.monotonic() + PATIENCE
        while (report := check(places)).findings and time.monotonic() < deadline:
            time.sleep(0.2)
        assert report.ok, report.text()
        assert not report.unseen, report.text()

    def protected(self, name: str, *machines: Machine) -> str:
        """Servers on site-a, made by their owner, and a group of them with its first recovery point on site-b; the group's id."""
        self.operator.register()
        made = self.running.call(create_workload(self.world["sites"]["site-a"]["auth_url"], machines))
        servers = {machine.name: made[machine.name] for machine in machines}
        group = self.operator.protect(name, servers, self.settled)
        self.operator.clients["site-a"].protection_groups.action(group, "sync_volumes")
        self.settled(group)
        return group


@contextlib.contextmanager
def stage(directory: Path, latency: Latency = QUICK) -> Iterator[Stage]:
    """A world with two Protectors and both engines at work."""
    config = WorldConfig(
        latency=latency, write_interval=0.02, array_settings={"appear_delay": 0.05, "allow_delay": 0.05}
    )
    with background(directory / "world", config) as running, contextlib.ExitStack() as stack:
        sites: dict[str, Site] = {}
        for name in running.description["sites"]:
            sites[name] = Site(name, running.description, directory)
            stack.callback(sites[name].close)
            running.world.doors[name].backend_port = sites[name].port
        for site in sites.values():
            site.start_engine()
            stack.callback(site.stop_engine)
        yield Stage(running, sites, Operator(running.description))
