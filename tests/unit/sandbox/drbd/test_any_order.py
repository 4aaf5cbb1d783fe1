"""Whatever happens in whatever order, the played DRBD keeps DRBD's promises. A failure prints its seed and the steps that led to it."""

from __future__ import annotations

import contextlib
import random

import pytest

from sandbox.kubernetes.drbd import mending
from sandbox.kubernetes.drbd.devices import MayNotOpen
from sandbox.kubernetes.drbd.model import Disk, Replica
from unit.sandbox.drbd.worlds import A2, HOME, ONE, TWO, VOLUME, A, B, Q, world

STEPS = 60
SCHEDULES = 60
PLACES = {A: ONE, A2: ONE, B: TWO}
FAILING = (ONE, TWO, f"{ONE}/{A}", f"{TWO}/{B}", f"{HOME}/{Q}")
LINKS = ((ONE, TWO), (ONE, HOME), (TWO, HOME))


class Schedule:
    """Guests, power, links, satellites and time, at random; quorum stays `majority` throughout, with a tiebreaker."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.world = world()
        self.drbd = self.world.drbd
        self.acknowledged = 0
        self.steps: list[str] = []

    def run(self) -> None:
        moves = {
            self.open: 4,
            self.write: 5,
            self.close: 3,
            self.link: 3,
            self.isolate: 2,
            self.power: 3,
            self.mend: 2,
            self.time: 3,
            self.satellite: 1,
            self.connect: 1,
        }
        for move in self.random.choices(list(moves), list(moves.values()), k=STEPS):
            move()
            self.look()

    def open(self) -> None:
        node = self._step("open", *PLACES)
        with contextlib.suppress(MayNotOpen):
            generation = self.world.devices.open(PLACES[node], node, VOLUME)
            assert generation == self.acknowledged, "a guest came up with data that lacks acknowledged writes"

    def write(self) -> None:
        node = self._step("write", *PLACES)
        with contextlib.suppress(MayNotOpen):
            self.acknowledged = self.world.devices.write(PLACES[node], node, VOLUME)

    def close(self) -> None:
        node = self._step("close", *PLACES)
        self.world.devices.close(PLACES[node], node, VOLUME)

    def link(self) -> None:
        pair, cut = self.random.choice(LINKS), self.random.random() < 0.5
        self.steps.append(f"{'cut' if cut else 'heal'} {pair}")
        (self.world.faults.cut_link if cut else self.world.faults.heal_link)(*pair)

    def isolate(self) -> None:
        cluster = self._step("isolate", ONE, TWO, HOME)
        self.drbd.isolate(cluster, True)

    def mend(self) -> None:
        cluster = self._step("rejoin", ONE, TWO, HOME)
        self.drbd.isolate(cluster, False)

    def power(self) -> None:
        name, up = self._step("power", *FAILING), self.random.random() < 0.5
        self.steps.append(f"  {'up' if up else 'down'}")
        (self.world.faults.restore if up else self.world.faults.lose)(name)

    def time(self) -> None:
        self.world.clock.advance(float(self._step("wait", "0.3", "2")))

    def satellite(self) -> None:
        node, answers = self._step("satellite", A, B, Q), self.random.random() < 0.5
        self.drbd.nodes[node].answers = answers
        self.world.controller.look()

    def connect(self) -> None:
        mending.connect(self.drbd, self.drbd.resources[VOLUME], self._step("connect", A, B))

    def look(self) -> None:
        replicas = list(self.drbd.resources[VOLUME].replicas.values())
        able = [each.node for each in replicas if each.primary and each.quorum]
        assert len(able) <= 1, f"both can write: {able}"
        whole = [each for each in replicas if each.diskful and each.disk is Disk.UP_TO_DATE]
        held = {(each.current, each.generation) for each in whole}
        assert len({name for name, _ in held}) == len(held), f"equal names, different data: {held}"
        self._undivided(*(each for each in replicas if each.node in (A, B)))
        before = [vars(each).copy() for each in replicas]
        self.drbd.settle()
        assert [vars(each) for each in replicas] == before, "looking once more changed something"

    @staticmethod
    def _undivided(one: Replica, other: Replica) -> None:
        shorter, longer = sorted((one.history, other.history), key=len)
        assert longer[: len(shorter)] == shorter, "with quorum nothing ever diverges"

    def _step(self, word: str, *choices: str) -> str:
        chosen = self.random.choice(choices)
        self.steps.append(f"{word} {chosen}")
        return chosen


@pytest.mark.parametrize("seed", range(SCHEDULES))
def test_any_order(seed: int) -> None:
    """One writer at a time, nothing acknowledged is lost, nothing diverges, and equal names are equal data."""
    schedule = Schedule(seed)
    try:
        schedule.run()
    except AssertionError as error:
        error.add_note(f"seed {seed}: " + "; ".join(schedule.steps))
        raise
