"""An event loop whose time is the test's: it moves to the next timer when nothing else can run, so hours cost milliseconds."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Standstill(Exception):
    """Everybody waits for something that nobody will bring about."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Its own selector: there is nothing to wait for but time. Nothing may call it from another thread."""

    def __init__(self) -> None:
        super().__init__()
        self._virtual = 0.0
        self._selector = self

    def time(self) -> float:
        return self._virtual

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise Standstill("no timer is left")
        self._virtual += timeout
        return []

    def _process_events(self, events: list[Any]) -> None:
        return None

    def _write_to_self(self) -> None:
        return None


def run_virtually(main: Coroutine[Any, Any, T]) -> T:
    """Runs `main` on a new loop; whatever it leaves behind is cancelled."""
    loop = VirtualLoop()
    try:
        task = loop.create_task(main)
        try:
            return loop.run_until_complete(task)
        finally:
            loop.set_exception_handler(lambda loop, context: None)  # whoever is cut off now has nobody to tell
            while left := asyncio.all_tasks(loop):
                for other in left:
                    other.cancel()
                loop.run_until_complete(asyncio.wait(left))
    finally:
        loop.close()
