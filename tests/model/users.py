"""What people ask for, on either site."""

from typing import TYPE_CHECKING

from . import calls, rows
from .duties import begin, live_claim
from .rules import Property
from .state import NAMES, Kind, Move, Step, World

if TYPE_CHECKING:
    from .model import Model


def moves(model: "Model", world: World) -> list[Move]:
    found: list[Move] = []
    for site in (0, 1):
        if world.up[site]:
            found += _planned(model, world, site)
            found += _forced(model, world, site)
            found += _change(world, site)
            found += _settle(model, world, site)
    return found


def _planned(model: "Model", world: World, site: int) -> list[Move]:
    """ONE_DOOR: only where the group is active; and only when nothing runs, nothing is owed, and both sites agree."""
    row, peer = world.rows[site], world.rows[1 - site]
    if world.ops[site] or row.trouble or row.owes or not world.connected:
        return []
    if (row.epoch, row.version) != (peer.epoch, peer.version):
        return []
    if model.rules.CLAIM and (live_claim(world, 1 - site) or row.fence > row.epoch):
        return []
    if (row.active != site) if model.rules.ONE_DOOR else row.pushed_hold:
        return []
    found = []
    for field, lossy, what in (
        ("planned", False, "planned move"),
        ("lossy", True, "failback by force, without reverse replication"),
    ):
        budget = f"{field}_{NAMES[site]}"
        if getattr(world.budget, budget):
            epoch = 0 if model.rules.CLAIM else row.epoch + 1
            then = begin(
                world.spend(budget), site, Kind.PLANNED, row.active, 1 - row.active, Step.HOLD, epoch, lossy=lossy
            )
            then = then.with_row(site, row._replace(wrote=row.wrote | 1 << row.epoch))
            found.append(
                Move(f"user at {NAMES[site]}: {what} to {NAMES[1 - row.active]}, op{world.truth.next_id}", then)
            )
    return found


def _forced(model: "Model", world: World, site: int) -> list[Move]:
    """Where the group is not active; or where it is, when a planned move has ended, or waits, with both sides stopped."""
    budget, rules = f"forced_{NAMES[site]}", model.rules
    row, peer, op = world.rows[site], world.rows[1 - site], world.ops[site]
    if not getattr(world.budget, budget) or (rules.RETURN_ASKS and world.connected and peer.epoch > row.epoch):
        return []
    replica = row.active != site and op is None
    if replica and row.pushed_hold and not rules.FORCE_OVERRIDES:
        label = (
            f"user at {NAMES[site]}: forced failover is refused, op{row.pushed_hold} of the lost peer holds the group"
        )
        return [] if world.connected else [Move(label, world, Property.NO_RECOVERY.name)]
    if not replica and not _stands_still(model, world, site):
        return []
    then = world.spend(budget).with_op(site, None)
    epoch = row.epoch + 1
    if rules.CLAIM:
        newest = op.epoch if op else 0
        claimed = rows.claim(row, 0, site, world.truth.next_id, row.epoch, newest)
        assert claimed is not None  # its own row, its own epoch, nothing holds it
        claimed = calls.numbered(model, row, claimed, newest)
        epoch = claimed.claim_epoch
        then = then.with_row(site, claimed._replace(wrote=row.wrote | 1 << epoch))
    else:
        then = then.with_row(site, row._replace(wrote=row.wrote | 1 << row.epoch))
    then = begin(then, site, Kind.FORCED, 1 - site, site, Step.F_STAMP, epoch)
    return [
        Move(f"user at {NAMES[site]}: forced failover to {NAMES[site]}, op{world.truth.next_id} (epoch {epoch})", then)
    ]


def _stands_still(model: "Model", world: World, site: int) -> bool:
    row, op = world.rows[site], world.ops[site]
    if not model.rules.HANDOVER or row.active != site or (world.connected and live_claim(world, 1 - site)):
        return False
    if op is None:
        return row.trouble
    undoing = op.step in (Step.U_REVOKE, Step.U_DELETE_SERVER, Step.U_DESTROY)
    return op.kind is Kind.PLANNED and op.handed and undoing and not world.reaches(site, op.target)


def _change(world: World, site: int) -> list[Move]:
    row = world.rows[site]
    if (
        not world.budget.changes
        or row.active != site
        or world.ops[site]
        or row.owes
        or row.trouble
        or not world.connected
    ):
        return []
    then = begin(world.spend("changes"), site, Kind.CHANGE, site, 1 - site, Step.M_COMMIT)
    return [Move(f"user at {NAMES[site]}: a metadata change, the peer answers, accepted", then)]


def _settle(model: "Model", world: World, site: int) -> list[Move]:
    """Without RETURN_ASKS somebody must ask for it."""
    row = world.rows[site]
    asked = world.budget.settles and not model.rules.RETURN_ASKS
    if not asked or row.active != site or not row.owes or world.ops[site] or not world.connected:
        return []
    then = begin(world.spend("settles"), site, Kind.SETTLE, 1 - site, 1 - site, Step.S_PAY)
    return [Move(f"user at {NAMES[site]}: sync-force", then)]
