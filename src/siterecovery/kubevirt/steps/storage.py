"""The disks under the group: let go by the source, then ready to be opened by the target."""

import dataclasses
from collections.abc import Callable, Hashable, Mapping

from siterecovery.kubevirt.crds.failover import FailoverType
from siterecovery.kubevirt.steps import reading
from siterecovery.kubevirt.steps.base import MoveStep, World
from siterecovery.kubevirt.storage.base import NotPromotable, Release
from siterecovery.workflow.step import Answer, Call, Outcome, Retry, Unsettled, Waiting


async def handles(world: World) -> tuple[str, ...]:
    """The group's volumes, by the target's copies of its claims."""
    there = await reading.copy(world, world.move.target)
    return (await reading.volumes(world, world.move.target, there)).handles


@dataclasses.dataclass(frozen=True)
class _ReleaseTopic:
    world: World
    volumes: tuple[str, ...]

    @property
    def key(self) -> Hashable:
        return "release", self.world.move.uid

    def read(self, subjects: frozenset[str]) -> Mapping[str, Release]:
        found = self.world.ask(self.world.storage.release(self.volumes, self.world.site(self.world.move.source)))
        return dict.fromkeys(subjects, found)


class ReleaseStorage(MoveStep):
    """DRBD has no call for it: a Primary goes away when its guest has let go. Until then the target must not open the device."""

    retry = Retry(attempts=30, first=0.5, longest=5.0)

    def act(self, call: Call) -> Answer:
        if self.move.type is FailoverType.UNPLANNED:
            return Outcome()  # promote_storage refuses where a Primary is known to run
        volumes = self.world.ask(handles(self.world))
        if not volumes:
            return Outcome({"volumes": 0})
        late = (
            f"DRBD lock release of {self.move.group} on {self.move.source} timed out after {self.timeout:.0f} s: a device is still open there, or a"
            " node does not answer. See linstor resource list, or kubectl get drbdvolumes, and what holds the device on that node"
        )
        return Waiting(_ReleaseTopic(self.world, volumes), self.move.source, self._until(len(volumes)), late=late)

    def _until(self, count: int) -> Callable[[Release | None], Outcome | None]:
        def until(found: Release | None) -> Outcome | None:
            return Outcome({"volumes": count}) if found is not None and found.done else None

        return until


class PromoteStorage(MoveStep):
    """Unplanned: switches quorum off where the target cannot be promoted without it. The storage records what was set before in the same call, and
    it is restored after the resync: that is a debt."""

    retry = Retry(attempts=60, first=0.5, longest=5.0)

    def act(self, call: Call) -> Answer:
        forced = self.world.ask(self._promote(call))
        if forced:
            text = f"Switched quorum off on {forced} volume(s) of {self.move.group}: it is restored when they are in sync again"
            self.world.story.tell("QuorumOff", text, "Warning")
        return Outcome({"forced": forced})

    async def _promote(self, call: Call) -> int:
        """Switched off is not enough: a node that has not applied it yet would refuse the guest its disk, so opening has to be possible."""
        volumes, target = await handles(self.world), self.move.target
        unplanned = self.move.type is FailoverType.UNPLANNED
        if not volumes:
            return 0
        call.check()
        try:
            forced = await self.world.storage.prepare_forced(volumes, self.world.site(target)) if unplanned else ()
            await self.world.storage.promote(volumes, self.world.site(target), forced=unplanned)
        except NotPromotable as error:
            raise Unsettled(f"{self.move.group} cannot be opened on {target}: {error}") from error
        return len(forced)
