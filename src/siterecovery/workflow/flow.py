"""How steps are put together: in sequence, together, for each item. A flow fits on one screen and reads like the runbook.

A flow is built from the operation's unchanging plan, so that every owner builds the same one; it decides nothing while it is built:
decisions are made at run time, inside steps.
"""

import collections
import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from siterecovery.workflow.step import Step

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Sequence:
    nodes: "tuple[Node, ...]"


@dataclasses.dataclass(frozen=True)
class Together:
    nodes: "tuple[Node, ...]"
    limit: int | None = None

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"a limit of {self.limit} would let nothing begin: leave it out, or give 1 or more")


@dataclasses.dataclass(frozen=True)
class Item:
    """The border of a recorded failure: when a step in it fails and may only be recorded, the rest of the item is given up, what the
    item has done is undone, and everything outside goes on. After the flow's commit the item is given up without undo.

    `name` is unique among the flow's items: the journal keeps under it that the item was given up."""

    name: str
    body: "Node"


Node = Step | Sequence | Together | Item


def sequence(*nodes: Node) -> Sequence:
    return Sequence(tuple(nodes))


def together(*nodes: Node, limit: int | None = None) -> Together:
    """All at once, at most `limit` at a time."""
    return Together(tuple(nodes), limit)


def for_each(
    items: Iterable[T], build: Callable[[T], Node], *, name: Callable[[T], str], limit: int | None = None
) -> Together:
    """The same body for each item, each with its own border of failure."""
    return Together(tuple(Item(name(item), build(item)) for item in items), limit)


def attempt(step: Step) -> Item:
    """A step whose recorded failure concerns nobody else."""
    return Item(step.name, step)


@dataclasses.dataclass(frozen=True)
class Phase:
    """What people see of the steps called `name` or `name/…`; `weight` is its share of the progress bar."""

    name: str
    weight: float = 1.0


@dataclasses.dataclass(frozen=True)
class Flow:
    """`turn` is asked (its `do`) before anything is undone: it answers "undo", or "forward" when the flow has already won and must go on. Once
    the step called `commit` is done nothing is undone any more: what fails then is recorded. `settle` (or `settle_undone`) runs
    at the end of an operation that was taken over, when no call of an earlier owner can arrive any more: it looks at the world
    once more and puts right what came late.

    `reversible` False: nothing of it is ever undone, its failures are recorded, and nobody can stop it half way. So is a clean-up that
    shares the journal of an operation that has ended: that one's decision to go back, or that a person stopped it, is none of its business."""

    name: str
    body: Node
    phases: tuple[Phase, ...]
    turn: Step | None = None
    commit: str | None = None
    settle: Step | None = None
    settle_undone: Step | None = None
    reversible: bool = True

    def __post_init__(self) -> None:
        names = [step.name for step in self.steps()]
        for kind, found in (("steps", names), ("items", [item.name for item in items_of(self.body)])):
            twice = sorted(name for name, count in collections.Counter(found).items() if count > 1)
            if twice:
                raise ValueError(f"flow {self.name}: {kind} must have unique names, these do not: {twice}")
        if self.commit is not None and self.commit not in names:
            raise ValueError(f"flow {self.name}: its commit step {self.commit} is not in it")

    def steps(self) -> Iterator[Step]:
        """Every step of the body, in order."""
        return steps_of(self.body)


def steps_of(node: Node) -> Iterator[Step]:
    if isinstance(node, Step):
        yield node
    elif isinstance(node, Item):
        yield from steps_of(node.body)
    else:
        for child in node.nodes:
            yield from steps_of(child)


def begins_with(node: Node) -> Step | None:
    """The one step that a node begins with; None where several begin at once."""
    if isinstance(node, Step):
        return node
    if isinstance(node, Item):
        return begins_with(node.body)
    return begins_with(node.nodes[0]) if isinstance(node, Sequence) and node.nodes else None


def items_of(node: Node) -> Iterator[Item]:
    """The items, also those inside others."""
    if isinstance(node, Item):
        yield node
        yield from items_of(node.body)
    elif isinstance(node, Sequence | Together):
        for child in node.nodes:
            yield from items_of(child)
