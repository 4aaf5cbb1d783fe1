"""One protocol under one budget: which moves a state has."""

from typing import NamedTuple

from . import duties, environment, properties, steps, users
from .rules import Rules
from .state import Budget, Move, World


class Successors(NamedTuple):
    """`rest`: the property broken because the protocol would do nothing more by itself; `own`: its moves; `all`: with users, faults, guests."""

    rest: str | None
    own: list[Move]
    all: list[Move]


class Model:
    """`retain`: retain_source_volumes_on_failover."""

    def __init__(self, rules: Rules, budget: Budget, *, retain: bool = False) -> None:
        self.rules = rules
        self.budget = budget
        self.retain = retain

    @property
    def silent_hold(self) -> bool:
        """With these rules a pushed hold refuses nothing: leaving it out saves states."""
        return self.rules.ONE_DOOR and self.rules.FORCE_OVERRIDES

    def initial(self) -> World:
        return World(self.budget)

    def successors(self, world: World) -> Successors:
        own: list[Move] = []
        for site in (0, 1):
            if world.up[site]:
                op = world.ops[site]
                if op is not None:
                    own += steps.moves(self, world, site, op)
                own += duties.moves(self, world, site)
        rest = None if own else properties.at_rest(self, world)
        return Successors(rest, own, own + users.moves(self, world) + environment.moves(self, world))
