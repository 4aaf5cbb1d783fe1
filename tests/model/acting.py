"""The few ways in which an operation acts: it goes on, it issues a call, it starts a server."""

from .rules import Property
from .state import NAMES, Call, Move, Op, Step, World


def who(op: Op) -> str:
    return f"{NAMES[op.at]} op{op.id}"


def go(world: World, op: Op, step: Step, why: str) -> list[Move]:
    return [Move(f"{who(op)}: {why}", world.with_op(op.at, op._replace(step=step)))]


def send(world: World, op: Op, call: Call, broken: str | None = None) -> list[Move]:
    return [Move(f"{who(op)}: issues {call.text}", world.with_op(op.at, op._replace(call=call)), broken)]


def start_breaks(world: World, index: int, *, higher: bool) -> str | None:
    """What issuing a start of copy `index` breaks. `higher`: the site can see that its peer is in a higher epoch."""
    if higher:
        return Property.START_BEFORE_FENCE.name
    second = world.connected and any(other != index for other in world.running())
    return Property.SECOND_START.name if second else None
