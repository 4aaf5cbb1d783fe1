"""What a site's services do after they answered: on the clock, and only while the service and its site are alive."""

from __future__ import annotations

from collections.abc import Callable

from sandbox.clock import Clock

_LOOK_AGAIN_SECONDS = 0.5


class Work:
    """Deferred work of one site.

    A message stays in its queue while the service that would take it is lost, and is worked on when it is back: so
    work whose time has come waits as long as `lost(service)` says so, and is never dropped.
    """

    def __init__(self, clock: Clock, lost: Callable[[str], bool]) -> None:
        self.clock = clock
        self._lost = lost

    def later(self, seconds: float, callback: Callable[[], None], service: str = "") -> None:
        """Call back after `seconds` of this world's time, or as soon after as the service is there."""

        def run() -> None:
            if self._lost(service):
                self.clock.call_later(_LOOK_AGAIN_SECONDS, run)
            else:
                callback()

        self.clock.call_later(seconds, run)
