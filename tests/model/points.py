"""EPOCH_RP: which recovery point a forced move takes on a site."""

from typing import TYPE_CHECKING, NamedTuple

from . import rows
from .rules import Property
from .state import WITH_CONTENT, Volume, World

if TYPE_CHECKING:
    from .model import Model


class Point(NamedTuple):
    rank: int
    local: bool
    content: int
    epoch: int


def choose(model: "Model", world: World, site: int, operation: int) -> Point | None:
    """The youngest ancestor's, among what was replicated here and the accepted volumes that stayed here. Without the rule: the newest arrival."""
    array = world.arrays[site]
    found = [Point(0, False, array.point, world.copies[array.point_of].epoch)] if _remote(world, site) else []
    if not model.rules.EPOCH_RP:
        return found[0] if found else None
    found += [
        Point(0, True, c.data, c.epoch)
        for c in world.copies
        if c.site == site and c.accepted and c.volume in WITH_CONTENT
    ]
    line = rows.ancestry(world.rows[site])
    return max((it._replace(rank=-line.index(it.epoch)) for it in found if it.epoch in line), default=None)


def _remote(world: World, site: int) -> bool:
    return world.copies[world.arrays[site].point_of].site != site


def all_here(world: World, site: int, operation: int) -> int:
    """Every write that lies somewhere on the site."""
    content = world.arrays[site].point if _remote(world, site) else 0
    for c in world.copies:
        if c.site == site and c.volume is not Volume.DELETED and c.operation != operation:
            content |= c.data
    return content


def breaks(world: World, site: int, operation: int, chosen: Point) -> str | None:
    """What choosing it breaks. A move on the far side of a cut cannot be known here."""
    truth, row = world.truth, world.rows[site]
    active = world.copies[truth.copy]
    if truth.epoch > row.epoch and active.site != site:
        active = next((c for c in world.copies if c.epoch == row.epoch), active)
    if active.data & all_here(world, site, operation) & ~chosen.content:
        return Property.STALE_POINT.name
    return Property.POINT_LOST.name if truth.left[site] & ~chosen.content else None
