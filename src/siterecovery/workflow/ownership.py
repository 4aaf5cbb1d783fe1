"""The last look before a call leaves: does whoever makes it still own what the call is about?

A process can be frozen anywhere, also between a step's own check and the call, or between a call and its repetition; when it is woken it goes on
where it was. So the borders to the outside world ask here, right before each call that changes something, each time it is sent.
"""

import contextvars
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
_CHECK: contextvars.ContextVar[Callable[[], None] | None] = contextvars.ContextVar("ownership", default=None)


def owned(check: Callable[[], None], work: Callable[[], T]) -> T:
    """The work's answer; while it runs in this thread, `still_owned` asks `check`, which raises when the work is no longer its owner's."""
    token = _CHECK.set(check)
    try:
        return work()
    finally:
        _CHECK.reset(token)


def still_owned() -> None:
    """Raises what the owner's check raises (`Fenced`); nothing where nobody has to own anything, as in a request of the API."""
    check = _CHECK.get()
    if check is not None:
        check()
