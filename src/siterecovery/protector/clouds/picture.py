"""The servers of a project as they were last seen: what a thousand waiters are shown costs only what has changed since.

Nova lists with `changes-since` what was updated at or after a time of its own clock, deleted servers included (status DELETED). The time asked for
is the newest that Nova has told, less `OVERLAP` seconds for what was being written meanwhile. Everything is listed anew every `WHOLE` seconds:
what was purged, lies in a cell out of reach or was written very late is put right then.
"""

import datetime
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from siterecovery.protector.clouds.base import Server

OVERLAP = 5.0
WHOLE = 30.0
DELETED = "DELETED"


class Picture:
    """`list_since` lists everything (None) or what has changed since a time (ISO 8601). Thread-safe: whoever asks meanwhile waits for the answer."""

    def __init__(
        self,
        list_since: Callable[[str | None], Iterable[Mapping[str, Any]]],
        server_of: Callable[[Mapping[str, Any]], Server],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._list_since = list_since
        self._server_of = server_of
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._servers: dict[str, Server] = {}
        self._newest = ""
        self._whole_at = float("-inf")

    def servers(self, wanted: Iterable[str]) -> list[Server]:
        """Those that are there now."""
        with self._lock:
            self._look()
            return [self._servers[id] for id in wanted if id in self._servers]

    def _look(self) -> None:
        now = self._monotonic()
        if not self._newest or now - self._whole_at >= WHOLE:
            items = self._list_since(None)
            self._servers, self._whole_at = {}, now
        else:
            items = self._list_since(_earlier(self._newest))
        for item in items:
            self._newest = max(self._newest, str(item.get("updated") or ""))
            if item["status"] == DELETED:
                self._servers.pop(item["id"], None)
            else:
                self._servers[item["id"]] = self._server_of(item)


def _earlier(moment: str) -> str:
    """Nova's own format: `2026-01-01T00:00:00Z`."""
    when = datetime.datetime.fromisoformat(moment) - datetime.timedelta(seconds=OVERLAP)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")
