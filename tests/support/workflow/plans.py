"""Random flows: drawn as plain values that print well, and built into real ones as often as there are owners."""

import dataclasses
import itertools
from collections.abc import Iterator

from hypothesis import strategies as st

from siterecovery.workflow.flow import Flow, Node, Phase, attempt, for_each, sequence, together
from support.workflow.steps import Commit, Create, Little, Remove, Settle, Turn
from support.workflow.world import World

PHASES = ("a", "b", "c")
TROUBLES = ("refuses", "breaks", "fails late", "change refused")


@dataclasses.dataclass(frozen=True)
class One:
    kind: str
    phase: str
    trouble: str = ""
    record: bool = False
    barrier: bool = False
    stuck: bool = False
    name: str = ""


@dataclasses.dataclass(frozen=True)
class Many:
    """`how`: "sequence", "together", or "each": its children are items. `limit` is for the last two."""

    how: str
    children: "tuple[Drawn, ...]"
    limit: int | None = None


@dataclasses.dataclass(frozen=True)
class Alone:
    """An attempt."""

    step: One


Drawn = One | Many | Alone


@dataclasses.dataclass(frozen=True)
class Plan:
    """`before`, then (if `commit`) the point of no return, then `after`."""

    before: tuple[Drawn, ...]
    commit: bool = False
    turn: bool = False
    commit_trouble: str = ""
    after: tuple[Drawn, ...] = ()

    def steps(self) -> list[One]:
        return [step for node in (*self.before, *self.after) for step in ones(node)]


def ones(node: Drawn) -> Iterator[One]:
    if isinstance(node, One):
        yield node
    elif isinstance(node, Alone):
        yield node.step
    else:
        for child in node.children:
            yield from ones(child)


def _one() -> st.SearchStrategy[One]:
    troubled = st.sampled_from([""] * 12 + list(TROUBLES))
    rarely = st.sampled_from([False] * 7 + [True])
    return st.builds(
        One,
        kind=st.sampled_from(["create", "create", "remove"]),
        phase=st.sampled_from(PHASES),
        trouble=troubled,
        record=st.booleans(),
        barrier=rarely,
        stuck=st.sampled_from([False] * 15 + [True]),
    )


def _grown(inner: st.SearchStrategy[Drawn]) -> st.SearchStrategy[Drawn]:
    children = st.lists(inner, min_size=1, max_size=3).map(tuple)
    limit = st.sampled_from([None, 1, 2])
    return st.one_of(
        st.builds(Many, st.just("sequence"), children),
        st.builds(Many, st.sampled_from(["together", "each"]), children, limit),
        st.builds(Alone, _one()),
    )


def named(plan: Plan) -> Plan:
    """Each step has its number: names are unique, and the same for every owner."""
    numbers = itertools.count(1)

    def name(node: Drawn) -> Drawn:
        if isinstance(node, One):
            return dataclasses.replace(node, name=f"{node.phase}/{next(numbers)}")
        if isinstance(node, Alone):
            step = name(node.step)
            assert isinstance(step, One)
            return Alone(step)
        return dataclasses.replace(node, children=tuple(name(child) for child in node.children))

    return dataclasses.replace(plan, before=tuple(map(name, plan.before)), after=tuple(map(name, plan.after)))


def _plans() -> st.SearchStrategy[Plan]:
    node: st.SearchStrategy[Drawn] = st.recursive(_one(), _grown, max_leaves=5)
    before = st.lists(node, min_size=1, max_size=3).map(tuple)
    after = st.lists(node, max_size=2).map(tuple)
    won = st.builds(
        Plan, before, st.just(True), st.booleans(), st.sampled_from(["", "", "", "refuses", "change refused"]), after
    )
    return st.one_of(st.builds(Plan, before), won).map(named)


def _tiny() -> st.SearchStrategy[Plan]:
    """So small that the faults meet one another."""
    few = st.lists(_one(), min_size=1, max_size=2).map(tuple)
    troubles = st.sampled_from(["", "", "refuses", "change refused"])
    won = st.builds(Plan, few, st.just(True), st.just(True), troubles, st.lists(_one(), max_size=1).map(tuple))
    return st.one_of(st.builds(Plan, few), won).map(named)


plans = st.one_of(_tiny(), _plans())


class Builder:
    """A plan's flow over a world."""

    def __init__(self, plan: Plan, world: World) -> None:
        self.plan = plan
        self.world = world

    def flow(self) -> Flow:
        plan = self.plan
        commit = Commit(self.world, "commit", trouble=plan.commit_trouble)
        middle: tuple[Node, ...] = (commit,) if plan.commit else ()
        body = sequence(*map(self._node, plan.before), *middle, *map(self._node, plan.after))
        removes = [step.name for step in plan.steps() if step.kind == "remove"]
        return Flow(
            "little",
            body,
            tuple(Phase(name) for name in PHASES),
            turn=Turn(self.world, "turn") if plan.turn else None,
            commit="commit" if plan.commit else None,
            settle=Settle(self.world, "settle", removes),
            settle_undone=Settle(self.world, "settle", removes),
        )

    def _node(self, node: Drawn) -> Node:
        if isinstance(node, One):
            return self._step(node)
        if isinstance(node, Alone):
            return attempt(self._step(node.step))
        if node.how == "sequence":
            return sequence(*map(self._node, node.children))
        if node.how == "together":
            return together(*map(self._node, node.children), limit=node.limit)
        return for_each(node.children, self._node, name=_item_name, limit=node.limit)

    def _step(self, step: One) -> Little:
        kind = Create if step.kind == "create" else Remove
        return kind(
            self.world, step.name, trouble=step.trouble, stuck=step.stuck, record=step.record, barrier=step.barrier
        )


def _item_name(node: Drawn) -> str:
    """Tells an item from those inside it, which hold the same steps."""
    if isinstance(node, One):
        return node.name
    if isinstance(node, Alone):
        return f"alone({node.step.name})"
    return f"{node.how}({','.join(map(_item_name, node.children))})"
