"""What must be true of every run, whatever befell it: of each accepted journal write, and of the end."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from siterecovery.workflow.flow import Flow, Item, Node, Sequence
from siterecovery.workflow.journal import Entry, State
from siterecovery.workflow.run import End
from siterecovery.workflow.step import Step
from support.workflow.plans import PHASES, Plan
from support.workflow.steps import OLD
from support.workflow.world import Thing

if TYPE_CHECKING:
    from support.workflow.trial import Ended

LAWFUL = {
    None: {State.STARTED},
    State.STARTED: {State.DONE, State.FAILED, State.UNDOING},
    State.DONE: {State.UNDOING},
    State.FAILED: {State.STARTED, State.UNDOING},
    State.UNDOING: {State.UNDONE, State.UNDO_FAILED},
    State.UNDO_FAILED: {State.UNDOING},
    State.UNDONE: set(),
}
"""A step's states, one after the other: what was taken back is never done again."""


class Order:
    """Forward one after the other, back in reverse: checked on every accepted write."""

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        self.names = {step.name for step in flow.steps()}
        self.earlier: dict[str, set[str]] = {name: set() for name in self.names}
        _precede(flow.body, self.earlier)
        self.later = {name: {other for other in self.names if name in self.earlier[other]} for name in self.names}
        self.barriers = {step.name for step in flow.steps() if step.barrier}
        self.states: dict[str, State] = {}
        self.once_done: set[str] = set()

    def note(self, entry: Entry) -> Iterator[str]:
        before, self.states[entry.step] = self.states.get(entry.step), entry.state
        if entry.state is State.DONE:
            self.once_done.add(entry.step)
        if entry.step not in self.names or before is entry.state:
            return
        if entry.state not in LAWFUL[before]:
            yield f"{entry.step} went from {before} to {entry.state}"
        if self.flow.commit in self.once_done and entry.state in (State.UNDOING, State.UNDONE):
            yield f"{entry.step} is {entry.state} after the commit"
        if entry.state is State.STARTED:
            under_way = {State.STARTED, State.UNDOING}
            yield from (
                f"{entry.step} is begun while {name}, which comes before it, is {self.states[name]}"
                for name in self.earlier[entry.step]
                if self.states.get(name) in under_way
            )
        if entry.state is State.UNDOING:
            yield from self._undone_too_early(entry.step)

    def _undone_too_early(self, step: str) -> Iterator[str]:
        for name in self.later[step]:
            state = self.states.get(name)
            fallen = state in (None, State.UNDONE) or (state is State.UNDO_FAILED and name not in self.barriers)
            if not fallen:
                yield f"{step} is taken back while {name}, which comes after it, is {state}"


def _precede(node: Node, earlier: dict[str, set[str]]) -> set[str]:
    """Fills in which steps come before which; answers the node's own."""
    if isinstance(node, Step):
        return {node.name}
    if isinstance(node, Item):
        return _precede(node.body, earlier)
    own: set[str] = set()
    for child in node.nodes:
        names = _precede(child, earlier)
        if isinstance(node, Sequence):
            for name in names:
                earlier[name] |= own
        own |= names
    return own


def of_the_end(plan: Plan, order: Order, ended: "Ended") -> Iterator[str]:
    """Exactly once, nothing left that the record does not name, and a record that tells the truth."""
    flow = order.flow
    states = {step.name: _state(ended, step.name) for step in flow.steps()}
    failures = {entry.step: entry for entry in ended.result.failures}
    yield from _of_the_direction(plan, ended, states, failures)
    yield from _of_the_record(order, ended, states, failures)
    settled = "settle" not in failures and ended.result.end is not End.STUCK
    for step in plan.steps():
        key = f"op/{step.name}"
        mine = [
            thing for thing in ended.things if thing.key.endswith("/" + step.name) and not thing.key.startswith(OLD)
        ]
        old = [thing for thing in ended.things if thing.key == f"{OLD}/{step.name}"]
        state = states[step.name]
        if step.kind == "create":
            yield from _of_a_creation(key, state, mine, ended, step.name in failures, settled)
        else:
            yield from _of_a_removal(key, state, len(old), settled)


def _state(ended: "Ended", step: str) -> State | None:
    entry = ended.entries.get(step)
    return entry.state if entry is not None else None


def _of_a_creation(
    key: str, state: State | None, mine: Iterable[Thing], ended: "Ended", named: bool, settled: bool
) -> Iterator[str]:
    ids = [thing.id for thing in mine]
    if state is State.DONE:
        value = ended.entries[key.partition("/")[2]].value
        if value["id"] not in ids:
            yield f"{key} is done, and {value['id']} is not there"
        if len(ids) > 1 and settled:
            yield f"{key} is there {len(ids)} times"
    elif ids and state in (None, State.UNDONE) and settled:
        yield f"{key} is {state}, and left {ids}"
    elif ids and not named and state not in (None, State.UNDONE) and ended.result.end is not End.STUCK:
        yield f"{key} is {state}, left {ids}, and the record does not name it"
    elif len(ids) > 1 and settled:
        yield f"{key} is {state}, and there {len(ids)} times"


def _of_a_removal(key: str, state: State | None, old: int, settled: bool) -> Iterator[str]:
    if state is State.DONE and old and settled:
        yield f"{key} is done, and what it removed is there"
    if state in (None, State.UNDONE) and old != 1 and settled:
        yield f"{key} is {state}, and what it would have removed is there {old} times"


def _of_the_direction(
    plan: Plan, ended: "Ended", states: dict[str, State | None], failures: dict[str, Entry]
) -> Iterator[str]:
    result = ended.result
    done = plan.commit and states["commit"] is State.DONE
    if done and result.end is not End.COMPLETED:
        yield f"the commit is done, and the run is {result.end}"
    if plan.turn and result.end is End.UNDONE and ended.register == "committed":
        yield "the world says committed, and the run was taken back"
    if result.end is End.UNDONE:
        left = {name: state for name, state in states.items() if state not in (None, State.UNDONE)}
        if left:
            yield f"the run was taken back, and these were not: {left}"
        if not result.error:
            yield "the run was taken back, and nobody knows why"
    if result.end is End.COMPLETED and not failures and set(states.values()) != {State.DONE}:
        yield f"the run is completed without a failure, and not everything is done: {states}"
    if result.end is End.STUCK and not failures:
        yield "the run is stuck, and nobody knows where"


def _of_the_record(
    order: Order, ended: "Ended", states: dict[str, State | None], failures: dict[str, Entry]
) -> Iterator[str]:
    if "completed" in ended.seen:
        yield from _of_the_phases(order, ended, states)
    wrong = {name for name, state in states.items() if state in (State.FAILED, State.UNDO_FAILED)}
    if ended.result.end is End.COMPLETED:
        wrong |= {name for name, state in states.items() if state is State.UNDONE and ended.entries[name].error}
    if not wrong <= set(failures):
        yield f"these failed, and the record does not name them: {sorted(wrong - set(failures))}"
    unexplained = [name for name, entry in failures.items() if not entry.error]
    if unexplained:
        yield f"nobody knows why these failed: {unexplained}"


def _of_the_phases(order: Order, ended: "Ended", states: dict[str, State | None]) -> Iterator[str]:
    steps = {phase: {step.name for step in order.flow.steps() if step.phase == phase} for phase in PHASES}
    seen = set(ended.seen["completed"])
    early = {phase for phase in seen if not steps[phase] <= order.once_done}
    if early:
        yield f"the record says that {sorted(early)} are completed, and not all of their steps were ever done"
    done = {phase for phase in PHASES if steps[phase] and all(states[step] is State.DONE for step in steps[phase])}
    if ended.result.end is End.COMPLETED and not done <= seen:
        yield f"{sorted(done)} are completed, and the record says {sorted(seen)}"
