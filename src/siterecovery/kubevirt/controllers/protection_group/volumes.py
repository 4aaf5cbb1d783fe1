"""What is known of the groups' volumes: one poller for all of them, so that a storage backend is asked a few questions now and then, not one a
pass, and a backend that hangs delays nobody."""

import asyncio
import contextlib
import dataclasses
import logging
from collections import defaultdict
from collections.abc import Callable, Sequence

from siterecovery.kubevirt.clusters.informer import Key
from siterecovery.kubevirt.controllers.protection_group.promises import Volumes
from siterecovery.kubevirt.domain.volume import VolumeView
from siterecovery.workflow.clock import Clock

LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Wish:
    """What a group wants to know, and from whom."""

    backend: str
    namespace: str
    here: str
    clusters: tuple[str, ...]
    handles: tuple[str, ...]


class VolumeWatch:
    """`interval` seconds between two rounds; what is older than three of them is not known any more."""

    def __init__(self, volumes: Volumes, woken: Callable[[Key], None], *, interval: float = 10.0, clock: Clock) -> None:
        self._volumes = volumes
        self._woken = woken
        self._interval = interval
        self._clock = clock
        self._wishes: dict[Key, Wish] = {}
        self._views: dict[str, tuple[float, VolumeView]] = {}
        self._wished = asyncio.Event()

    def want(self, key: Key, wish: Wish) -> None:
        """Replaces the group's former wish. New handles are asked for at once."""
        self._wishes[key] = wish
        if any(handle not in self._views for handle in wish.handles):
            self._wished.set()

    def forget(self, key: Key) -> None:
        self._wishes.pop(key, None)

    def view(self, handle: str) -> VolumeView:
        at, found = self._views.get(handle, (float("-inf"), VolumeView(handle)))
        return found if self._clock.monotonic() - at <= 3 * self._interval else VolumeView(handle)

    async def run(self) -> None:
        while True:
            self._wished.clear()
            await self.look()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._interval):  # Python 3.11's wait_for loses a cancellation now and then
                    await self._wished.wait()

    async def look(self) -> None:
        """One round. Groups whose volumes look different now are woken."""
        questions: dict[Wish, dict[str, None]] = defaultdict(dict)
        for wish in self._wishes.values():
            questions[dataclasses.replace(wish, handles=())] |= dict.fromkeys(wish.handles)
        await asyncio.gather(*(self._ask(whom, list(handles)) for whom, handles in questions.items()))

    async def _ask(self, whom: Wish, handles: Sequence[str]) -> None:
        try:
            views = await self._volumes.views(whom.backend, whom.namespace, handles, whom.here, whom.clusters)
        except (
            Exception
        ):  # the log shows it; what is known grows old and then unknown, and the other backends are asked all the same
            LOG.exception("nothing could be learned of %s volumes of %s", len(handles), whom.backend)
            return
        now = self._clock.monotonic()
        changed = {handle for handle, view in views.items() if view != self.view(handle)}
        self._views |= {handle: (now, view) for handle, view in views.items()}
        for key, wish in list(self._wishes.items()):
            if changed.intersection(wish.handles):
                self._woken(key)
