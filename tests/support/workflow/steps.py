"""Steps over the little world, each as careful as the promises in `workflow.step` ask, and no more."""

from siterecovery.workflow.step import Answer, Call, OnFailure, Outcome, Refused, Step, Unsettled, Waiting
from support.workflow.world import Things, World

OLD = "old"
"""First part of the key of what was there before the operation."""


class Little(Step):
    """`trouble`: how it fails, if it does. `stuck`: it cannot be taken back."""

    def __init__(
        self,
        world: World,
        name: str,
        *,
        trouble: str = "",
        stuck: bool = False,
        record: bool = False,
        barrier: bool = False,
    ) -> None:
        self.world, self.name, self.trouble, self.stuck, self.barrier = world, name, trouble, stuck, barrier
        self.on_failure = OnFailure.RECORD if record else OnFailure.ABORT

    def may(self) -> None:
        if self.trouble == "refuses":
            raise Refused(f"{self.name} is not wanted")
        if self.trouble == "breaks":
            raise ZeroDivisionError(f"{self.name} has a bug")

    def outcome(self, value: object) -> Outcome:
        return Outcome(value, (refuse,) if self.trouble == "change refused" else ())

    def may_undo(self) -> None:
        if self.stuck:
            raise Refused(f"{self.name} stays")


def refuse(*transaction: object) -> None:
    """A change of the domain's rows that the domain does not accept; not one of the core's errors."""
    raise LookupError("the row is gone")


class Create(Little):
    """Makes one thing and waits until it is ready. Dangerous: each call makes one more."""

    def do(self, call: Call) -> Answer:
        self.may()
        call.check()
        return self._wait(self.world.create(call.key))

    def look(self, call: Call) -> Answer | None:
        found = [thing for thing in self.world.present(call.key) if thing.gone_at is None]
        return self._wait(found[0].id) if found else None

    def _wait(self, id: str) -> Waiting:
        def until(seen: str | None) -> Outcome | None:
            if seen is None or seen == "DELETING":
                raise Unsettled(f"{id} is gone")
            return self._ready(id) if seen == "READY" else None

        return Waiting(Things(self.world), id, until)

    def _ready(self, id: str) -> Outcome:
        if self.trouble == "fails late":
            raise Refused(f"{id} came up broken", resource_id=id)
        return self.outcome({"id": id})

    def undo(self, call: Call) -> Answer | None:
        self.may_undo()
        found = self.world.present(call.key)
        for thing in found:
            if thing.gone_at is None:
                call.check()
                self.world.delete(thing.id)
        if not found:
            return None
        return Waiting(
            Things(self.world),
            found[0].id,
            lambda seen: Outcome() if seen is None else None,
            lambda _: self.undo(call) or Outcome(),
        )


class Remove(Little):
    """Deletes what was there before. Undone, it is there again."""

    @property
    def old(self) -> str:
        return f"{OLD}/{self.name}"

    def do(self, call: Call) -> Answer:
        self.may()
        for thing in self.world.present(self.old):
            if thing.gone_at is None:
                call.check()
                self.world.delete(thing.id)
        return self.outcome(None)

    def undo(self, call: Call) -> Answer | None:
        self.may_undo()
        if not [thing for thing in self.world.present(self.old) if thing.gone_at is None]:
            call.check()
            self.world.create(self.old)
        return None


class Commit(Little):
    """The point of no return: the first to write the register wins."""

    def do(self, call: Call) -> Answer:
        self.may()
        call.check()
        if self.world.settle_register("committed") != "committed":
            raise Refused("the claim was revoked")
        return self.outcome(None)

    def look(self, call: Call) -> Answer | None:
        return self.outcome(None) if self.world.register == "committed" else None


class Turn(Little):
    """Revokes the claim, unless the register was committed."""

    def do(self, call: Call) -> Answer:
        call.check()
        return Outcome("forward" if self.world.settle_register("revoked") == "committed" else "undo")


class Settle(Little):
    """Puts right what came late: only what the record names stays, and what was there is there once if its removal is not kept."""

    def __init__(self, world: World, name: str, removes: list[str]) -> None:
        super().__init__(world, name, record=True)
        self.removes = removes

    def do(self, call: Call) -> Answer:
        results = {**call.results("a"), **call.results("b"), **call.results("c")}
        kept = {value["id"] for value in results.values() if isinstance(value, dict)}
        for thing in reversed(self.world.all()):
            if thing.gone_at is None and thing.key.startswith(call.operation + "/") and thing.id not in kept:
                call.check()
                self.world.delete(thing.id)
        for step in self.removes:
            self._old(call, f"{OLD}/{step}", wanted=0 if step in results else 1)
        return Outcome()

    def _old(self, call: Call, key: str, wanted: int) -> None:
        there = [thing for thing in self.world.present(key) if thing.gone_at is None]
        for thing in there[wanted:]:
            call.check()
            self.world.delete(thing.id)
        if not there and wanted:
            call.check()
            self.world.create(key)
