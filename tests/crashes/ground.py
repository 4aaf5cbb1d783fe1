"""Where the crash matrix plays: one world for many cases, thrown away when a case went wrong."""

import contextlib
from pathlib import Path
from typing import Any

from crashes.death import Death, MortalJournal, MortalWorkers, mortal
from crashes.matrix import COMMIT, FAILBACK, MACHINES, PLANNED, Case, Kind
from protectorclient.v1.base import Resource
from siterecovery.protector.planning import Planning
from siterecovery.protector.processes import wiring
from support.operator import wait_for
from support.stage import Loop, Stage, stage

NAMES = sorted(machine.name for machine in MACHINES)
VOLUMES = sorted(name for machine in MACHINES for name in machine.volumes)


class Ground:
    """`directory` makes a fresh directory per world."""

    def __init__(self, directory: Any) -> None:
        self._directory = directory
        self._stack = contextlib.ExitStack()
        self._stage: Stage | None = None
        self.group = ""
        self.at = "site-a"

    def play(self, case: Case, *, undone: bool) -> Resource:
        """The engine dies at the case's point, another one goes on: the operation once it has ended."""
        try:
            return self._play(case, undone=undone)
        except BaseException:
            self.close()
            raise

    def _play(self, case: Case, *, undone: bool) -> Resource:
        kind = case.kind
        self.bring(kind.start)
        site = self.stage.sites[kind.site]
        if kind.site_a_dead:
            self._kill_site_a()
        site.stop_engine()
        operation = self._ask(kind)
        death = Death(case.point, COMMIT if undone else None)
        self._until_death(site, death, operation, kind.site)
        site.expire_leases()
        site.start_engine()
        ended = self.stage.operator.ended(kind.site, operation)
        wait_for("the hold to go", lambda: None if site.busy(self.group) else True)
        if not undone:
            self.at = kind.end
        self.stage.check()
        return ended

    def _until_death(self, site: Any, death: Death, operation: str, name: str) -> None:
        workers = MortalWorkers(death)
        parts = wiring.make_parts(site.settings)
        journal = parts.store.journal
        parts.store.journal = MortalJournal(journal, death)  # type: ignore[assignment]
        planning = Planning(parts.store, parts.clouds, parts.drivers, parts.peers)

        def close() -> None:
            workers.close()
            parts.close()

        loop = Loop(site.make_engine(parts, workers, mortal(planning, death)), close)
        try:
            wait_for(f"death at {death.point}", lambda: True if self._over(death, operation, name) else None)
            assert death.happened.is_set(), f"the operation ended before {death.point}"
        finally:
            loop.put_down()

    def _over(self, death: Death, operation: str, site: str) -> bool:
        return death.happened.wait(0.2) or self.stage.operator.clients[site].operations.get(operation).status in (
            "completed",
            "failed",
        )

    def _ask(self, kind: Kind) -> str:
        ask = self.stage.operator.failback if kind is FAILBACK else self.stage.operator.failover
        return ask(self.group, kind.site, **kind.request)

    def _kill_site_a(self) -> None:
        self.stage.sites["site-a"].stop_engine()
        self.stage.running.world.faults.lose("site-a")

    @property
    def stage(self) -> Stage:
        assert self._stage is not None
        return self._stage

    def bring(self, site: str) -> None:
        """A group that rests at `site`."""
        if self._stage is None:
            self._stage = self._stack.enter_context(stage(Path(self._directory())))
            self.group = self._stage.protected("prod", *MACHINES)
            self.at = "site-a"
        if self.at != site:
            kind = PLANNED if self.at == "site-a" else FAILBACK
            ended = self.stage.operator.ended(kind.site, self._ask(kind))
            assert ended.status == "completed", ended
            self.at = site
        self.stage.settled(self.group)

    def close(self) -> None:
        """The next case gets a fresh world."""
        self._stage, stack = None, self._stack
        self._stack = contextlib.ExitStack()
        stack.close()
