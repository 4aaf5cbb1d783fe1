"""Which calls may be repeated by themselves, and how patiently.

*read* and *idempotent* calls are repeated when there was no answer or the service is busy; a *create* never is: after a lost answer
nobody knows whether the thing exists, and only its step knows how to look for it.
"""

import dataclasses
import enum
import random
import time
from collections.abc import Callable
from typing import TypeVar

from siterecovery.protector.clouds.errors import retry_after
from siterecovery.protector.domain.errors import CloudBusy, CloudUnreachable

T = TypeVar("T")


class Kind(enum.Enum):
    """What repeating a call would do."""

    READ = "read"
    IDEMPOTENT = "idempotent"
    CREATE = "create"


@dataclasses.dataclass(frozen=True)
class Pace:
    """`attempts` in all; pauses in seconds grow from `first` to `longest`; a Retry-After is honoured up to `patience`."""

    attempts: int = 4
    first: float = 0.5
    factor: float = 2.0
    longest: float = 8.0
    patience: float = 30.0
    sleep: Callable[[float], None] = time.sleep

    def pause(self, attempt: int, asked: float | None) -> float:
        """Seconds after the `attempt`-th try; a little random, so that a thousand callers do not come back together."""
        if asked is not None:
            return min(asked, self.patience)
        return min(self.longest, self.first * self.factor ** (attempt - 1)) * random.uniform(0.8, 1.2)

    def run(self, kind: Kind, attempt: Callable[[], T]) -> T:
        """The call's answer, or its last error."""
        for number in range(1, self.attempts):
            try:
                return attempt()
            except (CloudUnreachable, CloudBusy) as error:
                if kind is Kind.CREATE:
                    raise
                self.sleep(self.pause(number, retry_after(error)))
        return attempt()
