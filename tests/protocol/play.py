"""Two sites with everything that is the product's own: API acceptance, databases, engines with their duties, steps, peer messages.

Time is virtual; both sites' engines run on one event loop, one call at a time, so that a play is the same each time.
"""

import asyncio
import contextlib
import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from model.rules import Property
from siterecovery.protector.api import accept
from siterecovery.protector.api.accept import Findings, Wish
from siterecovery.protector.api.call import Call, Caller
from siterecovery.protector.api.promises import OwnIdentity
from siterecovery.protector.api.services import Config, Services
from siterecovery.protector.arrays.base import Replication
from siterecovery.protector.domain.admission import Ask
from siterecovery.protector.domain.epoch import Generation
from siterecovery.protector.domain.errors import CloudError, RemoteSiteUnreachable
from siterecovery.protector.domain.member import Member, Rebuild, Volume
from siterecovery.protector.domain.operation import Operation
from siterecovery.protector.domain.plan import PlanConfig
from siterecovery.protector.domain.policy import Policy
from siterecovery.protector.domain.protection_group import ProtectionGroup
from siterecovery.protector.domain.secret import Secret
from siterecovery.protector.domain.states import TERMINAL, GroupStatus, MemberStatus, OperationType, PolicyStatus
from siterecovery.protector.duties import Duties
from siterecovery.protector.engine import Engine, EngineSettings
from siterecovery.protector.planning import Planning
from siterecovery.protector.store.base import Store, Transaction
from siterecovery.protector.store.schema import migrate
from siterecovery.workflow.step import Fenced
from support.api_fakes import FakePrecheck, FakeProbes, FakeSync, FakeTrusts
from support.two_sites import GROUP, NAMES, PROJECTS, OneSite, TwoSites, make
from support.virtual import InlineWorkers, VirtualClock

from .arrays import Arrays, SeenArrays
from .clouds import FakeClouds
from .ground import A, Action, B, Disk, Ground, Guest

START = 1_800_000_000.0
LEASE, DRAIN = 9.0, 6.0
PATIENCE = 400.0
"""Virtual seconds after which an operation counts as stuck."""
UNDO_LIMIT = 60.0
"""Virtual seconds an undo is tried for (in production ten minutes)."""
VM, ROOT = "web", "volume-1"
Done = Callable[[], bool]


@dataclasses.dataclass(frozen=True)
class _Drivers:
    driver_of: SeenArrays

    def driver(self, group_id: str) -> Any:
        return self.driver_of


def template(directory: Path) -> Path:
    """A migrated empty database, to be copied: migrating takes longer than a play."""
    migrate(f"sqlite:///{directory}/empty.db")
    return directory / "empty.db"


class Play:
    """One group with one VM, at home on site A, replicated to B. `retain`: retain_source_volumes_on_failover."""

    def __init__(self, directory: Path, empty: Path, *, retain: bool = False) -> None:
        for name in NAMES:
            shutil.copy(empty, directory / f"{name}.db")
        self.clock = VirtualClock()
        self.ground = Ground(self.clock)
        self.arrays = Arrays(self.ground)
        self.config = PlanConfig(retain_source_volumes=retain)
        self.sites: TwoSites = make(
            directory, fill=self._fill, now=lambda: START + self.clock.time, drain=DRAIN, lease_ttl=LEASE
        ).pushed()
        self._numbers = 0
        self.accepted: list[tuple[str, int]] = []
        """Planned operations that were accepted: (site, the epoch they were accepted in)."""
        self._events: list[tuple[float, Callable[[], None]]] = []
        self.silent = False
        """The Protectors do not reach one another; the clouds still do."""
        for site in (self.sites.a, self.sites.b):
            self._tap(site)

    def _tap(self, site: OneSite) -> None:
        """Messages to the peer are calls like others: they can be trapped, and arrive late."""
        request, other = site.wire.request, B if site.id == A else A

        def tapped(method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
            verb = f"peer.{path.rpartition('/')[2]}" if method == "POST" else f"peer.{method}"
            if not self.ground.reaches(site.id, other) or self.silent:
                raise RemoteSiteUnreachable(f"Site '{site.wire.site}' cannot be reached.")
            return self.ground.call(site.id, other, verb, lambda: request(method, path, body))

        site.wire.request = tapped  # type: ignore[method-assign]

    def site(self, site_id: str) -> OneSite:
        return self.sites.a if site_id == A else self.sites.b

    def group(self, site_id: str) -> ProtectionGroup:
        return self.site(site_id).group()

    # ------------------------------------------------------------------------------------------------ the first scene

    def _fill(self, store: Store) -> None:
        volume = self._home_volume()
        server = Guest("server-1", VM, A, (volume.volume_id,))
        self.ground.guests[server.id] = server
        self.ground.disks[volume.volume_id].attached = server.id
        self.ground.disks[volume.volume_id].status = "in-use"
        first = Generation(0, None, A, None, "pg", {ROOT: str(volume.array_volume_name)})
        group = ProtectionGroup(
            GROUP,
            "billing",
            PROJECTS["site-a"],
            A,
            B,
            A,
            "gold",
            "gold",
            status=GroupStatus.ACTIVE,
            metadata_version=3,
            lineage=(first,),
        )
        member = Member("member-1", GROUP, server.id, VM, MemberStatus.PROTECTED, Rebuild("f1", "m1.small"))
        policy = Policy(
            GROUP, "https://a", Secret("token-a"), "https://b", Secret("token-b"), "pg", status=PolicyStatus.ACTIVE
        )

        def work(tx: Transaction) -> None:
            tx.groups.save(group)
            tx.members.save(member)
            tx.volumes.save(volume)
            tx.policies.save(policy)

        store.run(work)

    def _home_volume(self) -> Volume:
        made = self.arrays.create_volume(A, "volume-cinder-1-cinder", 10)
        self.ground.content[made.id] = frozenset()
        self.arrays.stamp(A, [made.name], 0)
        self.arrays.connect(A, made.id, True)
        direction = Replication("pg", A, B)
        self.arrays.configure(direction, 300)
        self.arrays.set_members(direction, add=[made.name])
        metadata = {"protector:group": GROUP, "protector:epoch": "0"}
        self.ground.disks["cinder-1"] = Disk("cinder-1", "root", A, made.id, metadata=metadata)
        return Volume(
            ROOT,
            GROUP,
            "member-1",
            "cinder-1",
            "root",
            10,
            boot_index=0,
            bootable=True,
            array_volume_name=made.name,
            array_volume_id=made.id,
        )

    # ------------------------------------------------------------------------------------------------ what happens

    def replicate(self, suffix: str) -> None:
        """The schedule of the group's current direction sends a snapshot."""
        group = self.group(self.active)
        generation = group.generation
        assert generation is not None
        self.arrays.replicate_now(
            Replication(str(generation.source_group), generation.site_id, group.other_site(generation.site_id)),
            suffix,
            keep=False,
        )

    @property
    def active(self) -> str:
        """Where the group is active, by the site that knows the highest epoch."""
        newest = max((self.group(site) for site in (A, B) if self.ground.up[site]), key=lambda g: g.failover_epoch)
        return newest.current_primary_site_id

    def cut(self) -> None:
        self.ground.link = False

    def heal(self) -> None:
        self.ground.link = True

    def dies(self, site_id: str) -> None:
        """Cloud, array and Protector at once. Servers that ran were running when it died."""
        self.ground.up[site_id] = False

    def returns(self, site_id: str) -> None:
        """Hosts restart their guests (resume_guests_state_on_host_boot): what ran, runs."""
        self.ground.up[site_id] = True

    def after(self, seconds: float, event: Callable[[], None]) -> None:
        """Happens that much later, while engines run."""
        self._events.append((self.clock.time + seconds, event))

    def _happen(self) -> None:
        due = [event for time, event in self._events if time <= self.clock.time]
        self._events = [(time, event) for time, event in self._events if time > self.clock.time]
        for event in due:
            event()

    def dying(self, site_id: str) -> Action:
        """A trap: the sender's site dies with this call unsent."""

        def action(apply: Callable[[], Any]) -> Any:
            self.dies(site_id)
            raise Fenced(f"{site_id} dies")

        return action

    def then(self, event: Callable[[], None]) -> Action:
        """A trap: the call is applied, then this happens; the answer is heard."""

        def action(apply: Callable[[], Any]) -> Any:
            answer = apply()
            event()
            return answer

        return action

    def first(self, event: Callable[[], None]) -> Action:
        """A trap: this happens right before the call arrives."""

        def action(apply: Callable[[], Any]) -> Any:
            event()
            return apply()

        return action

    # ------------------------------------------------------------------------------------------------ users

    def ask(self, site_id: str, type: OperationType = OperationType.FAILOVER, **asked: bool) -> Operation:
        """As a user of that site's Protector; raises what the API would answer."""
        site = self.site(site_id)
        call = Call(
            self._services(site),
            Caller("u1", "ann", PROJECTS[site.name]),
            {"project_id": PROJECTS[site.name], "group": GROUP},
        )
        wish = Wish(
            Ask(type, force=asked.get("force", False), reverse_replication=asked.get("reverse_replication", False)),
            dict(asked),
            lambda picture: Findings(flavor_map={"f1": "f1"}),
        )
        operation = accept.accept(call, wish)
        if not operation.force:
            self.accepted.append((site_id, self.group(site_id).failover_epoch))
        return operation

    def cancel(self, site_id: str, id: str) -> None:
        """As a person does."""
        operation = dataclasses.replace(self.operation(site_id, id), cancelled_by="ann")
        self.site(site_id).store.run(lambda tx: tx.operations.save(operation))

    def tenant_starts(self, site_id: str) -> None:
        """The VM's owner starts it on that site, where it is."""
        for guest in [guest for guest in self.ground.guests.values() if guest.home == site_id]:
            compute = FakeClouds(self.ground, self.arrays, site_id).tenant(site_id, "").compute
            with self.ground.lately(), contextlib.suppress(CloudError):
                compute.start(guest.id)

    def expect(self, holds: bool, otherwise: Property, told: str = "") -> None:
        """What the story is about, in its own words."""
        if not holds:
            self.ground.broken.append((otherwise, told))

    def _services(self, site: OneSite) -> Services:
        public = site.identity.public
        return Services(
            site.store,
            site.peers,
            FakePrecheck(),
            FakeSync(),
            FakeTrusts(),
            FakeProbes(),
            OwnIdentity(site.name, public.signing_key, public.sealing_key),
            Config(plan=self.config),
            new_id=self._id,
        )

    def _id(self) -> str:
        self._numbers += 1
        return f"op-{self._numbers:03d}"

    # ------------------------------------------------------------------------------------------------ engines

    def engine(self, site_id: str) -> Engine:
        site = self.site(site_id)
        clouds = FakeClouds(self.ground, self.arrays, site_id)
        planning = Planning(
            site.store, clouds, _Drivers(SeenArrays(self.arrays, site_id)), site.peers, monotonic=self.clock.monotonic
        )
        return Engine(
            site.store,
            planning,
            self.clock,
            InlineWorkers(),
            EngineSettings(poll_interval=2.0, lease_ttl=LEASE, duty_interval=5.0),
            duties=Duties(site.store, clouds, site.peers, site.name, new_id=self._id, monotonic=self.clock.monotonic),
            name=f"{site.name}-{self._id()}",
        )

    def run(self, until: Done, *sites: str, crash: bool = False, seconds: float = PATIENCE) -> bool:
        """Both sites' engines (or those of `sites`) run until it is so; False when it does not become so. `crash`: they then end as by kill -9."""
        return asyncio.run(self._run(until, sites or (A, B), crash, seconds))

    async def _run(self, until: Done, sites: tuple[str, ...], crash: bool, seconds: float) -> bool:
        engines = {site: self.engine(site) for site in sites if self.ground.up[site]}
        runs = {site: asyncio.create_task(engine.run()) for site, engine in engines.items()}
        deadline = self.clock.time + seconds
        while not until() and self.clock.time < deadline:
            await self.clock.sleep(0.5)
            self._happen()
            for site in [site for site in runs if not self.ground.up[site]]:
                await self._kill(engines[site], runs.pop(site))
        reached = until()
        for site, run in runs.items():
            if crash:
                await self._kill(engines[site], run)
            else:
                engines[site].stop()
                await run
        return reached

    async def _kill(self, engine: Engine, run: "asyncio.Task[None]") -> None:
        tasks = [run, *engine._tasks.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def settled(self, seconds: float = 12.0) -> bool:
        """Everything unfinished comes to its end, and the duties have time to look around. False when something goes round for ever."""
        for _ in range(3):
            if self.unfinished() and not self.run(lambda: not self.unfinished()):
                return False
            until = self.clock.time + seconds
            self.run(lambda until=until: self.clock.time >= until)  # type: ignore[misc]
            if not self.unfinished():
                return True
        return False

    def unfinished(self) -> list[str]:
        return [
            operation.id
            for site in (A, B)
            if self.ground.up[site]
            for operation in self.operations(site)
            if operation.status not in TERMINAL
        ]

    def operations(self, site_id: str) -> list[Operation]:
        return list(self.site(site_id).store.run(lambda tx: tx.operations.of_group(GROUP)))

    def operation(self, site_id: str, id: str) -> Operation:
        found = self.site(site_id).store.run(lambda tx: tx.operations.get(id))
        assert found is not None
        return found

    def frozen(self) -> bool:
        """A call is on its way whose sender is frozen."""
        return bool(self.ground.late)

    def server(self) -> Guest:
        """The VM as the group's records at its active site name it."""
        site = self.active
        (member,) = self.site(site).store.run(lambda tx: tx.members.of_group(GROUP))
        return self.ground.guests[member.instance_id]

    # ------------------------------------------------------------------------------------------------ at rest

    def broken(self) -> set[Property]:
        """All that has broken so far, and what does not hold now that nothing is left to do."""
        found = {name for name, _ in self.ground.broken}
        if self.unfinished():
            found.add(Property.STUCK)
        if self.ground.connected and len(self.ground.running()) > 1:
            found.add(Property.TWO_AT_REST)
        a, b = (self.group(site) for site in (A, B))
        agreed = (a.failover_epoch, a.metadata_version) == (b.failover_epoch, b.metadata_version)
        if len({epoch for _, epoch in self.accepted}) < len(set(self.accepted)):
            found.add(Property.TWO_WRITERS)
        if self.ground.connected and not agreed:
            found.add(Property.DIVERGED)
        return found | self._service(self.group(self.active))

    def _service(self, group: ProtectionGroup) -> set[Property]:
        if not self.ground.up[group.current_primary_site_id] or group.status is GroupStatus.ERROR:
            return set()
        try:
            server = self.server()
        except KeyError:
            return {Property.SERVICE_DOWN, Property.ACTIVE_DAMAGED}
        if server.status != "ACTIVE":
            return {Property.SERVICE_DOWN}
        return {Property.LEFT_LOCKED} if server.locked else set()

    def story(self) -> str:
        """For a failure's message."""
        operations = [
            f"{site} {o.id} {o.type} {o.status}: {o.error_message} {[(s.step, s.error) for s in o.steps_failed]}"
            for site in (A, B)
            for o in self.operations(site)
        ]
        return "\n".join([*self.ground.log, *map(str, self.ground.broken), *operations])
