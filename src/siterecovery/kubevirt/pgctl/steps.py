"""How a person watches an operation: each step as it ends, and on a terminal a bar below them."""

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

from siterecovery.kubevirt.crds.failover import Phase
from siterecovery.kubevirt.pgctl.operation import Operation
from siterecovery.kubevirt.pgctl.printing import duration
from siterecovery.workflow.clock import Clock
from siterecovery.workflow.journal import State

_UNDER_WAY = frozenset({State.STARTED, State.UNDOING})


class Steps:
    """A context manager, so that a terminal is left as it was found."""

    def __init__(self, clock: Clock, console: Console | None = None) -> None:
        self._clock = clock
        self._console = console or Console()
        self._told: dict[str, str] = {}
        self._phase: Phase | None = None
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> "Steps":
        if self._console.is_terminal:
            self._bar.start()
            self._task = self._bar.add_task("waiting for a controller", total=100)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._task is not None:
            self._bar.stop()

    def see(self, operation: Operation) -> None:
        for step in operation.steps:
            name, state = str(step.get("name")), str(step.get("state"))
            if state not in _UNDER_WAY and self._told.get(name) != state:
                self._told[name] = state
                said = f": {step['message']}" if step.get("message") else ""
                self._say(f"[{operation.progress:3d}%] {name} {state}{said}")
        if self._task is not None:
            self._bar.update(self._task, completed=operation.progress, description=_now(operation))
        if operation.phase.terminal and operation.phase is not self._phase:
            self._end(operation)
        self._phase = operation.phase

    def _end(self, operation: Operation) -> None:
        took = duration(operation.seconds(self._clock.now()))
        if operation.phase is Phase.SUCCEEDED:
            self._say(f"{operation.name} succeeded after {took}: {operation.message}".removesuffix(": "))
        else:
            self._say(f"{operation.name} failed after {took}.")

    def _say(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def _now(operation: Operation) -> str:
    current = next((step for step in operation.steps if step.get("state") in _UNDER_WAY), None)
    return str(current["name"]) if current else operation.phase.value
