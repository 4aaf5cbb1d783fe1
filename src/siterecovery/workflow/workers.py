"""Worker threads for the runner: one pool per use, so that slow calls never starve the journal."""

import asyncio
import concurrent.futures
from collections.abc import Awaitable, Callable
from typing import Any


class ThreadWorkers:
    """`calls` threads for steps, `polls` for the pollers, `commits` for the database. One `GroupCommit` never needs more than one of those:
    its writes gather while a commit is under way; the others are for renewals and for the other operations."""

    def __init__(self, calls: int = 64, polls: int = 8, commits: int = 4) -> None:
        self._calls = concurrent.futures.ThreadPoolExecutor(calls, "step")
        self._polls = concurrent.futures.ThreadPoolExecutor(polls, "poll")
        self._commits = concurrent.futures.ThreadPoolExecutor(commits, "journal")

    def call(self, function: Callable[[], Any]) -> Awaitable[Any]:
        return asyncio.get_running_loop().run_in_executor(self._calls, function)

    def poll(self, function: Callable[[], Any]) -> Awaitable[Any]:
        return asyncio.get_running_loop().run_in_executor(self._polls, function)

    def commit(self, function: Callable[[], Any]) -> Awaitable[Any]:
        return asyncio.get_running_loop().run_in_executor(self._commits, function)

    def close(self) -> None:
        """Waits for the calls under way: each has its own time limit."""
        for pool in (self._calls, self._polls, self._commits):
            pool.shutdown(wait=True, cancel_futures=True)
