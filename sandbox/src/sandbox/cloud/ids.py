"""Identifiers and times in the shapes the services print them."""

from __future__ import annotations

import random
import uuid
from datetime import UTC, datetime

# Names, not secrets: a system call for each would be a tenth of the time a call takes.
_RANDOM = random.Random(uuid.uuid4().int)


def new_id() -> str:
    """A UUID with dashes, as Nova, Cinder, Neutron and Glance name things."""
    return str(uuid.UUID(int=_RANDOM.getrandbits(128), version=4))


def new_hex() -> str:
    """A UUID without dashes, as Keystone names things."""
    return uuid.UUID(int=_RANDOM.getrandbits(128), version=4).hex


def is_id(text: str) -> bool:
    """Whether the text could be an identifier of either shape."""
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def stamp(moment: float) -> str:
    """`2026-01-31T12:00:00Z`: Nova, Neutron, Glance."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def micro_stamp(moment: float) -> str:
    """`2026-01-31T12:00:00.000000`, UTC without saying so: Cinder, and Nova's launched_at."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")


def keystone_stamp(moment: float) -> str:
    """`2026-01-31T12:00:00.000000Z`: Keystone."""
    return micro_stamp(moment) + "Z"


def parse_stamp(text: str) -> float:
    """Seconds since the epoch of any of the shapes above; without a zone it is UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
