"""When each engine was last heard of."""

import sqlalchemy as sa

from siterecovery.protector.store.columns import MICROSECONDS, now_us
from siterecovery.protector.store.session import Session
from siterecovery.protector.store.tables import engines

FORGOTTEN_AFTER = 86400
"""Seconds: engines get a new name with each start, old ones must not pile up."""


def heartbeat(session: Session, owner: str) -> None:
    heard = {"heard_at": now_us()}
    if not session.change(engines.update().where(engines.c.owner == owner).values(heard)):
        session.change(engines.insert().values(owner=owner, **heard))
        session.change(engines.delete().where(engines.c.heard_at < now_us() - FORGOTTEN_AFTER * MICROSECONDS))


def heard_of(session: Session) -> list[tuple[str, float]]:
    """(owner, seconds since then), the latest first."""
    rows = session.rows(sa.select(engines.c.owner, (now_us() - engines.c.heard_at).label("ago")))
    return sorted(((row["owner"], max(0.0, row["ago"] / MICROSECONDS)) for row in rows), key=lambda heard: heard[1])
