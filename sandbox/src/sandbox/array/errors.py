"""How an array says no.

ArrayError            one or several refusals, each with the object it is about
├── Refused           400: everything the caller did wrong, told apart by its message only, as on a real array
└── NotFound          404: a path the array does not have (never an object)

Messages marked "own wording" where they are raised were not seen on a real array; the others were read in Pure's or
Cinder's code, which match them by substring.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

T = TypeVar("T")

NO_SUCH_SOURCE = "No such volume or snapshot."
SNAPSHOT_DESTROYED = (
    "Volume snapshot has been destroyed. It can be recovered by purevol recover and eradicated by purevol eradicate."
)
INVALID_COMBINATION = "Invalid combination of parameters specified."


class ArrayError(Exception):
    """`errors` holds (context, message) pairs; context is the object's name, or None."""

    status = 400

    def __init__(self, errors: list[tuple[str | None, str]]) -> None:
        super().__init__("; ".join(f"{context}: {message}" for context, message in errors))
        self.errors = errors

    def as_json(self) -> dict[str, Any]:
        """The body a real array sends."""
        return {"errors": [{"context": context, "message": message} for context, message in self.errors]}


class Refused(ArrayError):
    """The usual answer to a mistake."""

    def __init__(self, context: str | None, message: str) -> None:
        super().__init__([(context, message)])


class NotFound(ArrayError):
    """The path, not an object, is unknown."""

    status = 404

    def __init__(self, path: str) -> None:
        super().__init__([(path, "Not found.")])


def each(names: Iterable[str], act: Callable[[str], T]) -> list[T]:
    """Act on every name; what works stays done although others fail, and every failure is reported.

    Pure promises no atomicity for a batch, so the simulator takes the harder reading: callers must look again.
    """
    done: list[T] = []
    errors: list[tuple[str | None, str]] = []
    for name in names:
        try:
            done.append(act(name))
        except ArrayError as error:
            errors += error.errors
    if errors:
        raise ArrayError(errors)
    return done
