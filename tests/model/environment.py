"""Everything that is not the protocol: links, deaths, frozen engines, guests, tenants, replication, calls that arrive late."""

from typing import TYPE_CHECKING

from .acting import who
from .calls import apply, second_running
from .duties import MOST_LATE
from .state import NAMES, WITH_CONTENT, Call, Kind, Move, Op, Server, Step, Verb, World

if TYPE_CHECKING:
    from .model import Model


def moves(model: "Model", world: World) -> list[Move]:
    found: list[Move] = []
    if not world.link:
        found.append(Move("-- the link is back", world._replace(link=True)))
    elif world.budget.cuts:
        found.append(Move("-- the link between the sites is cut", world.spend("cuts")._replace(link=False)))
    for site in (0, 1):
        found += _site(model, world, site)
    for index in range(len(world.copies)):
        found += _guest(model, world, index)
        found += _replication(world, index)
    for position in range(len(world.late)):
        found += _late(model, world, position)
    return found


def _site(model: "Model", world: World, site: int) -> list[Move]:
    if not world.up[site]:
        return _comes_back(world, site)
    found, op = [], world.ops[site]
    if getattr(world.budget, f"deaths_{NAMES[site]}"):
        found += _dies(world.spend(f"deaths_{NAMES[site]}"), site)
    if op is not None and op.call is not None and world.budget.takeovers:
        found += _taken_over(model, world, site, op, op.call)
    if op is not None and world.budget.failures and _may_fail(op):
        then = world.spend("failures").with_op(site, op._replace(step=Step.U_REVOKE))
        found.append(Move(f"-- a step of op{op.id} fails, or a user cancels: rolls back", then))
    return found


def _may_fail(op: Op) -> bool:
    return op.kind is Kind.PLANNED and op.call is None and Step.STOP <= op.step <= Step.COMMIT


def _taken_over(model: "Model", world: World, site: int, op: Op, call: Call) -> list[Move]:
    """An engine freezes or dies around its call; another engine of the site goes on with the operation."""
    found, then = [], world.spend("takeovers").with_op(site, op._replace(call=None, lease=op.lease + 1))
    if len(world.late) < MOST_LATE:
        frozen = then._replace(late=tuple(sorted((*then.late, call))))
        found.append(
            Move(f"-- the engine of {who(op)} freezes with {call.text} on its way; another takes over", frozen)
        )
    if world.reaches(site, call.at) and (call.verb is not Verb.SNAPSHOT or world.reaches(site, op.source)):
        done = apply(model, then, call)
        if done.world != then:
            label = f"-- {call.text} is applied, the engine of {who(op)} dies before it records it; another takes over"
            found.append(Move(label, done.world, done.broken))
    return found


def _dies(world: World, site: int) -> list[Move]:
    up = (False, world.up[1]) if site == 0 else (world.up[0], False)
    then = world._replace(up=up, late=tuple(call for call in world.late if call.at != site))
    for i, c in enumerate(then.copies):
        if c.site == site and c.server is Server.RUNNING:
            then = then.with_copy(i, c._replace(server=Server.DOWN))
    found, op = [], then.ops[site]
    if op is not None and op.call is not None:
        call = op.call
        then = then.with_op(site, op._replace(call=None, lease=op.lease + 1))
        if call.at != site and world.budget.takeovers and len(then.late) < MOST_LATE:
            wire = then.spend("takeovers")._replace(late=tuple(sorted((*then.late, call))))
            found.append(Move(f"-- site {NAMES[site]} dies with {call.text} still on the wire", wire))
    return [*found, Move(f"-- site {NAMES[site]} dies", then)]


def _comes_back(world: World, site: int) -> list[Move]:
    then = world._replace(up=(True, world.up[1]) if site == 0 else (world.up[0], True))
    found = [Move(f"-- site {NAMES[site]} is back, what was running there stays down", then)]
    down = [i for i, c in enumerate(then.copies) if c.site == site and c.server is Server.DOWN]
    for i in down:
        then = then.with_copy(i, then.copies[i]._replace(server=Server.RUNNING))
    return [*found, Move(f"-- site {NAMES[site]} is back, its servers restart by themselves", then)] if down else found


def _guest(model: "Model", world: World, index: int) -> list[Move]:
    c, found = world.copies[index], []
    if not world.up[c.site]:
        return []
    if c.server is Server.RUNNING and world.budget.writes:
        bit = 1 << (model.budget.writes - world.budget.writes)
        then = world.spend("writes").with_copy(index, c._replace(data=c.data | bit))
        then = then._replace(truth=then.truth._replace(written=then.truth.written | bit))
        found.append(Move(f"-- the guest of copy {index} on {NAMES[c.site]} writes {bit:b}", then))
    if c.server is Server.STOPPED and not c.locked and world.budget.tenant:
        then = world.spend("tenant").with_copy(index, c._replace(server=Server.RUNNING))
        broken = second_running(model, world, then, index)
        found.append(Move(f"-- the tenant starts copy {index} on {NAMES[c.site]}", then, broken))
    return found


def _replication(world: World, index: int) -> list[Move]:
    c = world.copies[index]
    if not (c.schedule and c.volume in WITH_CONTENT and world.connected):
        return []
    there = world.arrays[1 - c.site]
    if (there.point_of, there.point) == (index, c.data):
        return []
    then = world.with_array(1 - c.site, there._replace(point_of=index, point=c.data))
    return [Move(f"-- scheduled replication of copy {index} arrives on {NAMES[1 - c.site]}", then)]


def _late(model: "Model", world: World, position: int) -> list[Move]:
    call = world.late[position]
    rest = world._replace(late=world.late[:position] + world.late[position + 1 :])
    what, found = f"{call.text} of op{call.operation}", []
    if model.rules.DRAIN:
        found.append(Move(f"-- the late {what} can no longer arrive", rest))
    reachable = world.up[call.at] and (call.at == call.sent_by or world.link)
    if reachable and (call.verb is not Verb.SNAPSHOT or world.connected):
        done = apply(model, rest, call, late=True)
        outcome = "applied" if done.accepted else "refused"
        found.append(Move(f"-- the late {what} is {outcome}", done.world, done.broken))
    return found
