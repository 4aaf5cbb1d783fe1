"""What a step promises, and what it may answer.

A step answers three questions: *do it*, *is it already done?* (by looking at the world, never at a flag), *undo it*.
Its methods are ordinary blocking functions; the runner calls them in worker threads. They never sleep and never wait:
what takes time is answered as a `Waiting`, and the runner asks for all who wait with one list call (`watch`).

    StepError
    ├── Refused      the world said no, and would say it again: no retry
    ├── Unsettled    the call may or may not have been applied, or may work later: look again, then retry
    ├── TimedOut     the step's own time limit passed
    ├── Cancelled    a person asked the operation to stop
    └── Fenced       another owner has taken the operation over: change nothing any more
        └── HandedOver   this owner shuts down and gives the operation back
"""

import dataclasses
import enum
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, Protocol

JSON = Any
"""A value that survives `json.dumps`: what steps answer is stored in the journal."""


class StepError(Exception):
    """A step failed. `str()` is the sentence a person reads in the record; `resource_id` names what it was about."""

    retryable = False

    def __init__(self, message: str, *, resource_id: str | None = None) -> None:
        super().__init__(message)
        self.resource_id = resource_id


class Refused(StepError):
    """The world said no, and would say it again."""


class Unsettled(StepError):
    """Nobody knows whether the call was applied, or it may work later."""

    retryable = True


class TimedOut(StepError):
    """The step's own time limit passed."""


class Cancelled(StepError):
    """A person asked the operation to stop."""


class Fenced(StepError):
    """Another owner has taken the operation over."""


class HandedOver(Fenced):
    """This owner shuts down: another one goes on."""


class OnFailure(enum.Enum):
    """What a failure of a step means for the flow."""

    ABORT = "abort"
    """The flow is undone."""
    RECORD = "record"
    """The failure is recorded, the rest of the enclosing item is given up (and undone), everything else goes on."""


@dataclasses.dataclass(frozen=True)
class Retry:
    """How often and how patiently an unsettled step is tried again: `attempts` in all, pauses growing from `first` seconds."""

    attempts: int = 5
    first: float = 0.5
    factor: float = 2.0
    longest: float = 15.0

    def pause(self, attempt: int) -> float:
        """Seconds to wait after the `attempt`-th try (1, 2, …) failed."""
        doublings = min(attempt - 1, 64)  # far beyond any longest pause, and no float overflows
        return float(min(self.longest, self.first * self.factor**doublings))


@dataclasses.dataclass(frozen=True)
class Outcome:
    """A step (or its undo) is through. `value` is kept in the journal; `changes` are committed with it in one transaction."""

    value: JSON = None
    changes: tuple[Any, ...] = ()


class Topic(Protocol):
    """A list that can be read once for everybody who waits for something in it."""

    @property
    def key(self) -> Hashable:
        """Waiters whose topics have equal keys share one poller."""
        ...

    def read(self, subjects: frozenset[str]) -> Mapping[str, Any]:
        """The present state of the subjects; what is missing is left out. One list call, or a few gets when there are few."""
        ...


@dataclasses.dataclass(frozen=True)
class Waiting:
    """A step has done its part and waits for the world.

    `until` is called with each observation of `subject` (None: not in the list). It answers None to go on waiting or an `Outcome`;
    it raises a `StepError` when what it waits for can no longer come. It must not make calls: `then`, if given, may, in a worker
    thread, with the outcome's value; its answer replaces the outcome.
    """

    topic: Topic
    subject: str
    until: Callable[[Any | None], Outcome | None]
    then: "Callable[[JSON], Answer] | None" = None
    late: str = ""
    """The sentence of a wait that took too long: what did not come, and what a person does about it."""


Answer = Outcome | Waiting
"""What `do` and `undo` may answer."""


class Call(Protocol):
    """What a step gets to know when it is called."""

    operation: str
    step: str
    attempt: int
    """1, 2, … within this owner; a step found unfinished by a new owner starts at 2: it looks first."""

    @property
    def key(self) -> str:
        """`operation/step`: the idempotency key. It is written into what the step creates (name, tag, metadata), so that a repeated
        step finds its first attempt, also after a take-over: the lease's number is not part of it."""
        ...

    def result(self, step: str) -> JSON:
        """The value another step of this operation has answered. KeyError when that step has not finished."""
        ...

    def results(self, prefix: str) -> Mapping[str, JSON]:
        """Values of all finished steps called `prefix` or `prefix/…`, by step name."""
        ...

    def last(self, step: str) -> JSON:
        """What another step has answered last, also when it was undone meanwhile; None when it never answered."""
        ...

    def begun(self, prefix: str) -> bool:
        """True when a step called `prefix` or `prefix/…` was ever started, whatever became of it."""
        ...

    def failures(self) -> Iterable[tuple[str, str, str | None]]:
        """(step, sentence, resource id) of each recorded failure so far."""
        ...

    def check(self) -> None:
        """Raises `Fenced` when the lease is lost: called right before each call that changes something."""
        ...


class Step:
    """One step of a flow. Subclasses say in their docstring what is dangerous about them.

    `name` is stable and unique in the flow; the part before the first `/` is the phase it belongs to, which is what
    people see. `timeout` (seconds) bounds everything: calls, retries and waiting.
    """

    name: str
    timeout: float = 600.0
    undo_timeout: float = 600.0
    retry: Retry = Retry()
    on_failure: OnFailure = OnFailure.ABORT
    barrier: bool = False
    """When its undo fails, nothing earlier is undone: better both stopped than two copies."""
    lane: Hashable = None
    """What its calls queue for when that is scarce, such as an array. Of all steps of one lane only a few have a worker at a time: those that queue
    keep nobody else waiting."""

    @property
    def phase(self) -> str:
        return self.name.partition("/")[0]

    def do(self, call: Call) -> Answer:
        """Do it. Called again only after `look` answered None."""
        raise NotImplementedError(type(self).__name__)

    def look(self, call: Call) -> Answer | None:
        """Is it already done? Asked before every repetition. None: no, or doing it again is harmless (the default)."""
        return None

    def undo(self, call: Call) -> Answer | None:
        """Take it back, whether it was done whole, half or not at all. None: there is nothing to take back (the default)."""
        return None
