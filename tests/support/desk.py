"""Where an operator sits while things go wrong: one protected group between two sites as processes, faults at hand, and a look at the whole.

A group rests on either site; `move` takes it to the other one (failover from home, failback from away), so that scenarios which end well can
share one world.
"""

import contextlib
import dataclasses
import re
import signal
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from protectorclient.v1.base import Resource
from sandbox.latency import Latency
from support.operator import Operator, wait_for
from support.site_pair import Pair, site_pair

HOME, AWAY = "site-a", "site-b"
ARRAY = {HOME: "array-a", AWAY: "array-b"}
VMS = ("db-server", "web-server-1", "web-server-2")
QUICK = Latency(boot=0.2, start=0.1, stop=0.1, delete=0.1, volume=0.05, manage=0.05, transfer=0.3)
ENGINE = {"transfer_timeout": "10", "stop_timeout": "4", "boot_timeout": "30", "call_timeout": "3"}


@dataclasses.dataclass(frozen=True)
class Move:
    """An accepted move of the group; it is carried out by the engine of the site it leaves."""

    desk: "Desk"
    id: str
    source: str
    target: str

    def ended(self) -> Resource:
        return self.desk.operator.ended(self.source, self.id)

    def reached(self, step: str, state: str = "started") -> None:
        """The engine's log says so; a move that ends before it gets there is told with its own error."""
        said, over = re.compile(f"operation={self.id} step={step}\\S* {state}"), f"operation {self.id}: undone"

        def look() -> bool | None:
            log = self.desk.log(self.source)
            if said.search(log):
                return True
            assert over not in log, f"taken back before {step} {state}: {self.ended().error_message}"
            return None

        wait_for(said.pattern, look)

    @property
    def settled(self) -> bool:
        """The engine that lost it has told that its calls are back, and it was looked for what came late."""
        engine = sa.create_engine(self.desk.pair.sites[self.source].database, poolclass=sa.pool.NullPool)
        query = sa.text("SELECT late_calls, late_calls_settled FROM operations WHERE id = :id")
        with engine.connect() as database:
            told, looked = database.execute(query, {"id": self.id}).one()
        return bool(told) and told == looked

    @property
    def copies(self) -> list[str]:
        """Array volumes that it has made on its target, as the array names them before Cinder does."""
        ours = re.compile(f"dr-[0-9a-f]+-{self.id.replace('-', '')[-12:]}-[0-9]+")
        volumes = self.desk.state()["arrays"][ARRAY[self.target]]["volumes"]
        return [v["name"] for v in volumes if ours.fullmatch(v["name"]) and not v["destroyed"]]


@dataclasses.dataclass
class Desk:
    pair: Pair
    operator: Operator
    group: str

    # ---------------------------------------------------------------------------------------------- asking

    def at(self) -> str:
        """Where the group is active, as its home knows it."""
        return str(self.record(HOME).current_primary_site)

    def record(self, site: str) -> Resource:
        found: Resource = self.operator.clients[site].protection_groups.get(self.group)
        return found

    def move(self, **arguments: Any) -> Move:
        source = self.at()
        if source == HOME:
            return Move(self, self.operator.failover(self.group, **arguments), HOME, AWAY)
        return Move(self, self.operator.failback(self.group, **arguments), AWAY, HOME)

    def log(self, site: str) -> str:
        return "".join(path.read_text() for path in sorted(self.pair.sites[site].state.glob("engine*.log")))

    # ---------------------------------------------------------------------------------------------- processes

    def freeze(self, site: str, name: str = "engine") -> None:
        """SIGSTOP, but not while it keeps everybody else out of a SQLite file: a database server would end such a transaction."""
        process = self.pair.sites[site].processes[name]

        def frozen() -> bool | None:
            process.send_signal(signal.SIGSTOP)
            wait_for("its threads to stand still", lambda: True if _stands_still(process.pid) else None, pause=0.001)
            try:
                with contextlib.closing(
                    sqlite3.connect(self.pair.sites[site].state / "protector.sqlite", timeout=0.5)
                ) as file:
                    file.execute("BEGIN IMMEDIATE")
                    file.rollback()
            except sqlite3.OperationalError:
                process.send_signal(signal.SIGCONT)
                return None
            return True

        wait_for(f"{name} of {site} to hold no lock", frozen)

    def thaw(self, site: str, name: str = "engine") -> None:
        self.pair.sites[site].processes[name].send_signal(signal.SIGCONT)

    # ---------------------------------------------------------------------------------------------- faults

    def fault(self, target: str, **rule: Any) -> str:
        found: dict[str, str] = self.pair.control("POST", "/faults", {"target": target, **rule})
        return found["id"]

    def heal(self) -> None:
        """The clouds, the arrays and what is between them work again."""
        self.pair.control("DELETE", "/faults")
        self.pair.control("POST", f"/arrays/{ARRAY[HOME]}/links/{ARRAY[AWAY]}", {"frozen": False})
        for site in (HOME, AWAY):
            self.pair.control("POST", f"/clouds/{site}/guests/hang", {"servers": []})
            self.pair.control("POST", f"/clouds/{site}/builds/fail", {"count": 0})
            self.pair.control("POST", f"/clouds/{site}/manages/fail", {"count": 0})
        wait_for("the arrays' link", lambda: True if self._linked() else None, pause=0.1)

    def _linked(self) -> bool:
        arrays = self.pair.control("GET", "/arrays")
        return all(link["connected"] for array in arrays for link in array["links"].values())

    # ---------------------------------------------------------------------------------------------- looking

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = self.pair.control("GET", "/state")
        return found

    def server(self, site: str, name: str) -> str:
        """Its id."""
        return next(str(s["id"]) for s in self.state()["clouds"][site]["servers"] if s["name"] == name)

    def whole(self, site: str) -> None:
        """The group runs on this site, all of it, once, with its disks; nothing of it is left on the other one; both records say so."""
        wait_for("all VMs on their disks", lambda: True if self._runs(site) else None, pause=0.1, patience=30.0)
        other, state = AWAY if site == HOME else HOME, self.state()
        there = state["clouds"][other]
        arrays = [v["name"] for v in state["arrays"][ARRAY[other]]["volumes"] if not v["destroyed"]]
        left = {
            "servers": there["servers"],
            "volumes": there["volumes"],
            "ports": there["ports"],
            "array volumes": [
                name for name in arrays if not name.startswith("drkeep-") and name not in self._quarantined()
            ],
        }
        assert left == {kind: [] for kind in left}, f"left on {other}: {left}"
        ports = [port["name"] for port in state["clouds"][site]["ports"]]
        assert len(ports) == len(VMS), f"ports on {site}: {ports}"
        self._told(site)

    def _told(self, site: str) -> None:
        status = "active" if site == HOME else "failed_over"
        for place in (HOME, AWAY):
            record, hold = self.record(place), hold_of(self.pair, place, self.group)
            told = (record.status, record.current_primary_site, hold)
            assert told == (status, site, [None, None]), f"what {place} knows: {told} {record.error_message}"

    def _quarantined(self) -> list[str]:
        """Array volumes from which a server has run before its move was taken back: the records name them."""
        found: list[str] = []
        for client in self.operator.clients.values():
            for operation in client.operations.list(protection_group_id=self.group):
                found += (operation.result_data or {}).get("volumes_quarantined", ())
        return found

    def _runs(self, site: str) -> bool:
        cloud = self.state()["clouds"][site]
        servers = sorted((s["name"], s["status"], s["locked_by"]) for s in cloud["servers"])
        disks = [v["status"] for v in cloud["volumes"]]
        return servers == [(name, "ACTIVE", None) for name in VMS] and disks == ["in-use"] * 5

    def generations(self, site: str) -> dict[str, int]:
        """What each guest has written last."""
        return {guest["name"]: guest["generation"] for guest in self.pair.control("GET", "/guests")[site]}


def _stands_still(pid: int) -> bool:
    """A signal is on its way for a moment, in which a thread may still take a lock."""
    threads = list(Path(f"/proc/{pid}/task").glob("*/stat"))
    return all(thread.read_text().rpartition(")")[2].split()[0] == "T" for thread in threads)


def hold_of(pair: Pair, site: str, group: str) -> list[str | None]:
    """Which operation holds the group there, and which one the peer has told about."""
    engine = sa.create_engine(pair.sites[site].database, poolclass=sa.pool.NullPool)
    query = sa.text("SELECT hold_operation_id, remote_hold FROM protection_groups WHERE id = :id")
    with engine.connect() as database:
        return list(database.execute(query, {"id": group}).one())


@contextlib.contextmanager
def desk(state: Path, *, databases: Mapping[str, str] | None = None) -> Iterator[Desk]:
    """The demo's group, protected, on its home site."""
    with site_pair(state, latency=QUICK, engine=ENGINE, databases=databases) as pair:
        operator = Operator(pair.world)
        operator.register()
        servers = {server["name"]: server["id"] for server in pair.control("GET", "/state")["clouds"][HOME]["servers"]}

        def free(group: str) -> None:
            """REST does not list the operations that make groups, policies and members: the database knows when one has ended."""
            wait_for(f"group {group}", lambda: True if hold_of(pair, HOME, group) == [None, None] else None)

        yield Desk(pair, operator, operator.protect("prod", servers, free))
