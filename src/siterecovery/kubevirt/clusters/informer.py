"""A local copy of a list of objects that keeps itself true, and tells what has changed.

It lists, then watches from there. A bookmark comes about every minute, so longer silence means a dead connection, which TCP alone would tell
hours later. After a Gone, and when a server that was away answers again, it lists anew and compares: what is missing was deleted while nobody
looked. Every `resync` seconds everything is told again: level-triggered work then repairs whatever an event or a fault has left.

The copy is for finding and planning. What cannot be taken back is decided on a live read."""

import asyncio
import dataclasses
import logging
import random
from collections.abc import Callable, Iterator, Mapping

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.domain.resources import Object, Resource
from siterecovery.workflow.clock import Clock, SystemClock

LOG = logging.getLogger(__name__)
Key = tuple[str, str]
"""(namespace, name)"""


@dataclasses.dataclass(frozen=True)
class Change:
    """`before` is None for a new object, `now` for a deleted one; both are the same object at a resync."""

    key: Key
    before: Object | None
    now: Object | None


def key_of(obj: Object) -> Key:
    metadata = obj["metadata"]
    return metadata.get("namespace") or "", metadata["name"]


class Informer:
    """`run` never ends by itself: an unreachable server is asked again with growing pauses, and the copy grows old (`age`)."""

    def __init__(
        self,
        cluster: base.Cluster,
        resource: Resource,
        *,
        namespace: str | None = None,
        labels: str = "",
        resync: float = 60.0,
        silence: float = 75.0,
        longest_pause: float = 15.0,
        clock: Clock | None = None,
    ) -> None:
        self._cluster = cluster
        self._resource = resource
        self._namespace = namespace
        self._labels = labels
        self._resync = resync
        self._silence = silence
        self._longest_pause = longest_pause
        self._lasted = min(5.0, silence / 2)
        self._clock = clock or SystemClock()
        self._objects: dict[Key, Object] = {}
        self._told: list[Callable[[Change], None]] = []
        self._announced: list[Callable[[], None]] = []
        self._version = ""
        self._heard: float | None = None
        self.synced = asyncio.Event()
        """Set when the first list has come in."""

    def __iter__(self) -> Iterator[Object]:
        return iter(list(self._objects.values()))

    def get(self, key: Key) -> Object | None:
        return self._objects.get(key)

    @property
    def objects(self) -> Mapping[Key, Object]:
        return self._objects

    @property
    def age(self) -> float | None:
        """Seconds since the server was last heard: a watch that lives says something at least every minute. None: never."""
        return None if self._heard is None else self._clock.monotonic() - self._heard

    def tell(self, callback: Callable[[Change], None]) -> None:
        """`callback` is told every change from now on, and everything at each resync. It must not block or raise."""
        self._told.append(callback)

    def announce(self, callback: Callable[[], None]) -> None:
        """`callback` is called whenever a whole list has come in: the first one, and those after a Gone or an outage. What had to wait for the server
        can go on then, also where nothing has changed."""
        self._announced.append(callback)

    async def run(self) -> None:
        repeating = asyncio.create_task(self._repeat())
        try:
            await self._follow()
        finally:
            repeating.cancel()

    async def _follow(self) -> None:
        failures = 0
        while True:
            begun = self._clock.monotonic()
            try:
                if not self._version:
                    await self._list()
                await self._watch()
            except base.Gone:
                self._version = ""
            except base.ClusterError as error:
                LOG.warning("%s", error)
                if failures:  # it is away, not just a connection lost
                    self._version = ""
            # A watch that has lasted ended by the server's own limit, or fell silent: it goes on at once. All else is asked more and more rarely.
            failures = 0 if self._clock.monotonic() - begun >= self._lasted else failures + 1
            await self._clock.sleep(self._pause(failures) if failures > 1 else 0.0)

    def _pause(self, failures: int) -> float:
        longest = min(self._longest_pause, 0.25 * 2.0 ** min(failures - 1, 10))
        return longest * random.uniform(0.5, 1.0)

    async def _list(self) -> None:
        listing = await self._cluster.list(self._resource, self._namespace, labels=self._labels)
        self._heard = self._clock.monotonic()
        found = {key_of(item): item for item in listing.items}
        for key in [key for key in self._objects if key not in found]:
            self._put(key, None)
        for key, item in found.items():
            self._put(key, item)
        self._version = listing.resource_version
        self.synced.set()
        for callback in self._announced:
            callback()

    async def _watch(self) -> None:
        events = self._cluster.watch(
            self._resource, since=self._version, namespace=self._namespace, labels=self._labels, silence=self._silence
        )
        async for event in events:
            self._heard = self._clock.monotonic()
            if event.type != "BOOKMARK":
                self._put(key_of(event.object), None if event.type == "DELETED" else event.object)
            self._version = event.object["metadata"]["resourceVersion"]

    def _put(self, key: Key, now: Object | None) -> None:
        before = self._objects.get(key)
        if now is None:
            self._objects.pop(key, None)
        else:
            self._objects[key] = now
        if _version(before) != _version(now):
            self._say(Change(key, before, now))

    def _say(self, change: Change) -> None:
        for callback in self._told:
            callback(change)

    async def _repeat(self) -> None:
        while True:
            await self._clock.sleep(self._resync)
            for key, item in list(self._objects.items()):
                self._say(Change(key, item, item))


def _version(obj: Object | None) -> tuple[str, str] | None:
    return None if obj is None else (obj["metadata"].get("uid", ""), obj["metadata"].get("resourceVersion", ""))
