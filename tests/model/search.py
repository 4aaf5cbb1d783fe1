"""Breadth-first, so that the first state that breaks a property has a shortest trace; random walks for what is too large for that."""

import dataclasses
import random
import time
from collections import deque
from collections.abc import Collection

from . import properties
from .calls import TooManyCopies
from .model import Model, Successors
from .rules import Property
from .state import Move, World

MOST_STATES = 2_000_000


@dataclasses.dataclass(frozen=True)
class Result:
    """`broken` None: no property was. `complete`: the search ended by itself; `cut`: branches left out by the bound on copies."""

    broken: str | None
    trace: tuple[str, ...]
    states: int
    seconds: float
    complete: bool
    cut: int
    depth: int

    def text(self) -> str:
        size = f"[{self.states} states, depth {self.depth}, {self.seconds:.1f} s{f', {self.cut} branches cut' if self.cut else ''}]"
        if self.broken is None:
            return f"{'holds' if self.complete else 'none found, bound reached'} {size}"
        lines = [f"{self.broken} after {len(self.trace)} moves {size}", f"    {Property[self.broken].value}"]
        return "\n".join(lines + [f"    {n:3}. {label}" for n, label in enumerate(self.trace, 1)])


class Search:
    """States are kept as 64-bit hashes with their parent's, from which the trace is built again. `aside`: properties not looked at."""

    def __init__(self, model: Model, *, aside: Collection[str] = (), most_states: int = MOST_STATES) -> None:
        self._model = model
        self._aside = frozenset(aside)
        self._most_states = most_states
        self._parent: dict[int, int | None] = {}
        self._own: dict[int, tuple[int, ...]] = {}
        self._cut = 0
        self._started = time.monotonic()

    def run(self) -> Result:
        start = self._model.initial()
        queue = deque([(start, hash(start), 0)])
        self._parent[hash(start)] = None
        depth = 0
        while queue:
            world, key, depth = queue.popleft()
            try:
                successors = self._model.successors(world)
            except TooManyCopies:
                self._cut += 1
                continue
            if self._wanted(successors.rest):
                return self._result(successors.rest, key, "(nothing is left to do)", depth)
            own = []
            for number, move in enumerate(successors.all):
                bad = self._first_broken(world, move)
                if bad:
                    return self._result(bad, key, move.label, depth)
                then = hash(move.then)
                if number < len(successors.own):
                    own.append(then)
                if then not in self._parent:
                    self._parent[then] = key
                    queue.append((move.then, then, depth + 1))
            self._own[key] = tuple(own)
            if len(self._parent) > self._most_states:
                return self._result(None, None, "", depth, complete=False)
        return self._ended(depth)

    def _ended(self, depth: int) -> Result:
        """Everything was visited. What is left to find is an operation that goes round for ever."""
        key = cycle(self._own) if self._wanted(Property.STUCK.name) else None
        if key is not None:
            return self._result(Property.STUCK.name, key, "(from here the protocol repeats itself for ever)", depth)
        return self._result(None, None, "", depth)

    def _wanted(self, name: str | None) -> bool:
        return name is not None and name not in self._aside

    def _first_broken(self, world: World, move: Move) -> str | None:
        found = [move.broken] if move.broken else []
        found += properties.broken(world, move.then)
        return next((name for name in found if self._wanted(name)), None)

    def _result(self, broken: str | None, key: int | None, last: str, depth: int, *, complete: bool = True) -> Result:
        trace = (*self._labels(key), last) if broken else ()
        seconds = time.monotonic() - self._started
        return Result(broken, trace, len(self._parent), seconds, complete and not broken, self._cut, depth)

    def _labels(self, key: int | None) -> list[str]:
        chain = []
        while key is not None:
            chain.append(key)
            key = self._parent[key]
        world, labels = self._model.initial(), []
        for wanted in reversed(chain[:-1]):
            move = next(move for move in self._model.successors(world).all if hash(move.then) == wanted)
            labels.append(move.label)
            world = move.then
        return labels


def cycle(moves: dict[int, tuple[int, ...]]) -> int | None:
    """A state on a cycle of the protocol's own moves. Depth-first; a state that is still open when it is met again closes one."""
    done: set[int] = set()
    for root in moves:
        if root in done:
            continue
        opened, stack = {root}, [(root, iter(moves[root]))]
        while stack:
            key, rest = stack[-1]
            for then in rest:
                if then in opened:
                    return key
                if then not in done and then in moves:
                    opened.add(then)
                    stack.append((then, iter(moves[then])))
                    break
            else:
                done.add(key)
                opened.discard(key)
                stack.pop()
    return None


def walks(model: Model, *, seed: int, seconds: float, length: int = 400) -> Result:
    """Random schedules, far beyond what a full search reaches. The seed replays the walk that broke something, which is not a shortest one."""
    chance, started = random.Random(seed), time.monotonic()
    taken = cut = count = 0
    while time.monotonic() - started < seconds:
        count += 1
        world, labels = model.initial(), list[str]()
        for _ in range(length):
            try:
                successors = model.successors(world)
            except TooManyCopies:
                cut += 1
                break
            if not successors.all and successors.rest is None:
                break
            bad, world = _walk_on(chance, world, successors, labels)
            taken += 1
            if bad:
                return Result(bad, tuple(labels), taken, time.monotonic() - started, False, cut, count)
    return Result(None, (), taken, time.monotonic() - started, False, cut, count)


def _walk_on(
    chance: random.Random, world: World, successors: Successors, labels: list[str]
) -> tuple[str | None, World]:
    if successors.rest:
        labels.append("(nothing is left to do)")
        return successors.rest, world
    own = successors.own and chance.random() < 0.6
    move = chance.choice(successors.own if own else successors.all)
    labels.append(move.label)
    found = [move.broken] if move.broken else []
    return next(iter(found + properties.broken(world, move.then)), None), move.then
