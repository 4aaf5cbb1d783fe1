"""Who may run the group: `activeCluster` and `epoch` in every copy of it. Only a failover moves them, and only upwards."""

from siterecovery.kubevirt.clusters import authority, base
from siterecovery.kubevirt.domain.authority import Claim
from siterecovery.kubevirt.domain.resources import Object
from siterecovery.kubevirt.steps import debts, reading
from siterecovery.kubevirt.steps.base import MoveStep, is_idle
from siterecovery.kubevirt.steps.groups import at_rest, stopped
from siterecovery.workflow.step import Answer, Call, Outcome, Refused, Retry, Unsettled

_RACES = 4
"""Writes of one copy, before the whole step is tried again."""


class RaiseEpoch(MoveStep):
    """From here on the target may start the VMs and the source may not.

    Taking it back is the barrier: the source gets its authority again, under a still higher epoch, only after the target was seen stopped and
    Secondary. Otherwise both stay stopped: a stopped group is started by a person, two running ones are mended by nobody."""

    barrier = True
    retry = Retry(attempts=20, first=0.3, longest=3.0)

    def act(self, call: Call) -> Answer:
        claim = self.world.ask(self._raise())
        self.world.story.tell("AuthorityMoved", f"{claim.active} may run {self.move.group} now (epoch {claim.epoch})")
        return Outcome({"epoch": claim.epoch})

    async def _raise(self) -> Claim:
        copies = await self._copies(must=self._asked)
        if not self._alone:
            await at_rest(self.world, self.move.source)
        newest = self._newest(copies)
        claim = newest if newest.active == self.move.target else Claim(newest.epoch + 1, self.move.target)
        if self.move.source in copies.away:
            await debts.record(self.world, copies.found[self.move.target], claim.epoch)
        await self._spread(claim, copies)
        return claim

    @property
    def _alone(self) -> bool:
        return self.move.type == "unplanned"

    @property
    def _asked(self) -> tuple[str, ...]:
        """Who must learn of it."""
        return (self.move.target,) if self._alone else (self.move.source, self.move.target)

    def undo(self, call: Call) -> Answer | None:
        if is_idle(call):
            return None
        if not self.world.ask(self._is_raised()):
            return Outcome()
        return stopped(self.world, call, self.move.target, self.undo_timeout, then=lambda _: self._hand_back())

    def _hand_back(self) -> Outcome:
        self.world.ask(at_rest(self.world, self.move.target))
        claim = self.world.ask(self._return())
        text = f"{claim.active} may run {self.move.group} again (epoch {claim.epoch}): the move is taken back"
        self.world.story.tell("AuthorityReturned", text, "Warning")
        return Outcome({"epoch": claim.epoch})

    async def _is_raised(self) -> bool:
        copies = await self._copies(must=(self.move.target,))
        if self._alone and self.move.source in copies.away:
            raise Refused(
                f"{self.move.group} stays stopped under the authority of {self.move.target}: {self.move.source} could not be asked, so nothing is"
                f" handed back. When the cause is mended: pgctl failover {self.move.group} --to {self.move.shown} --type unplanned"
                f" --confirm-source-down --namespace {self.move.namespace}"
            )
        return self._newest(copies).active == self.move.target

    async def _return(self) -> Claim:
        copies = await self._copies(must=(self.move.source, self.move.target))
        newest = self._newest(copies)
        claim = newest if newest.active == self.move.source else Claim(newest.epoch + 1, self.move.source)
        await self._spread(claim, copies, back=True)
        return claim

    async def _copies(self, must: tuple[str, ...]) -> reading.Copies:
        return await reading.copies(self.world, self.move.kept_on, must=must)

    def _newest(self, copies: reading.Copies) -> Claim:
        return max((self.world.claim_of(found) for found in copies.found.values()), key=lambda claim: claim.epoch)

    async def _spread(self, claim: Claim, copies: reading.Copies, *, back: bool = False) -> None:
        """Who loses it learns of it first. `copies`: as they were before it was proven that nobody runs the group."""
        order = reversed(self.move.kept_on) if back else self.move.kept_on
        for name in order:
            try:
                await self._write(name, claim, copies.found.get(name))
            except (base.Unknown, base.BadAccess, Refused):
                if name in self._asked:
                    raise

    async def _write(self, cluster: str, claim: Claim, proven: Object | None) -> None:
        """A race that the group's controller wins by telling its status is run again at once; where somebody has raised the epoch, or has changed the
        spec since it was proven that nobody runs the group, everything is looked at and decided anew."""
        for left in reversed(range(_RACES)):
            found = await reading.copy(self.world, cluster)
            if self.world.claim_of(found) == claim:
                return
            if proven is not None and found["metadata"]["generation"] != proven["metadata"]["generation"]:
                raise Unsettled(f"Somebody has changed {self.move.group} on {cluster} while its epoch was raised")
            try:
                await authority.write(self.world.clusters.get(cluster), found, claim)
                return
            except base.Conflict as error:
                if not left:
                    raise Unsettled(str(error)) from error
