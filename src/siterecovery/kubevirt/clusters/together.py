"""One answer for all who ask the same at the same time, and never one that is older than the question.

Fifty moves in one namespace, or a thousand groups of a cluster that has come back, ask for the same list: each of them alone would have the API
server write all its VMs, and the cost would grow with the square."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Together(Generic[T]):
    """For one event loop. Answers are shared: nobody may change them."""

    def __init__(self) -> None:
        self._asking: dict[Hashable, asyncio.Task[T]] = {}
        """Its request may be out already: too late to join."""
        self._next: dict[Hashable, asyncio.Task[T]] = {}

    async def __call__(self, question: Hashable, ask: Callable[[], Awaitable[T]]) -> T:
        """The answer to an `ask` that begins from now on, at most one of them at a time for each question; its error is everybody's.

        One under way is waited for first, so an answer may take twice its time. Who is cancelled leaves the others theirs."""
        if (turn := self._next.get(question)) is None:
            turn = self._next[question] = asyncio.create_task(self._turn(question, ask))
            turn.add_done_callback(_seen)
        return await asyncio.shield(turn)

    async def _turn(self, question: Hashable, ask: Callable[[], Awaitable[T]]) -> T:
        if (before := self._asking.get(question)) is not None:
            await asyncio.wait([before])
        turn = self._asking[question] = self._next.pop(question)
        try:
            return await ask()
        finally:
            if self._asking.get(question) is turn:
                del self._asking[question]


def _seen(turn: asyncio.Task[T]) -> None:
    """An error that all who asked have turned away from is nobody's: asyncio would report it as forgotten."""
    if not turn.cancelled():
        turn.exception()
