"""Random schedules: what people ask of a group, and what goes wrong around them, all drawn from one seed.

A schedule is one group's story: moves, moves home, drills, two Failovers in one second, one that is deleted in the middle, guests that hang, are
stuck or crash. Several stories run at once in one world, because that is what makes two hundred affordable. A *round* is those stories, and the
faults of the world around them: API servers that freeze or are killed, LINSTOR that is late, half or away, links cut, taints put back, controllers
killed at a point of a flow, a whole site lost."""

import contextlib
import dataclasses
import random
import threading
from concurrent.futures import ThreadPoolExecutor

from crashes.death import points
from kubernetes.failover import killing
from kubernetes.failover.fleet import Controllers, Fleet, Trouble
from sandbox.kubernetes.client import wait_until
from support.kubernetes import machines
from support.kubernetes.checking import assert_true_world

SIDES = ("cluster1", "cluster2")
ENDS_WITHIN = 240.0
"""Seconds: longer than every limit of a flow and of its way back."""


POINTS = [point for kind in ("planned", "test", "cleanup") for point in points(killing.flow(kind), undoing=False)]
LOST_POINTS = points(killing.flow("unplanned"), undoing=False)


@dataclasses.dataclass(frozen=True)
class Round:
    """`stories`: each group's deeds in order; `troubles`: (pause, fault, place, seconds); `lost`: the cluster that loses its power, if any."""

    seed: int
    stories: tuple[tuple[str, ...], ...]
    troubles: tuple[tuple[float, str, str, float], ...]
    deaths: tuple[object, ...]
    lost: str | None

    def __str__(self):
        faults = ", ".join(f"{name} {place} {seconds:.1f} s" for _, name, place, seconds in self.troubles) or "none"
        lines = [f"seed {self.seed}: lost site {self.lost or 'none'}; faults: {faults}"]
        lines.append("  controller dies " + "; ".join(map(str, self.deaths)))
        lines += [f"  pg-{number}: {', '.join(deeds)}" for number, deeds in enumerate(self.stories)]
        return "\n".join(lines)


DEEDS = ("planned", "planned", "planned", "drill", "pair", "opposite", "delete", "hang", "stick", "crash")


def drawn(seed, groups):
    """The same round for the same seed."""
    chance = random.Random(seed)
    lost = chance.choice(SIDES) if chance.random() < 0.3 else None
    stories = tuple(tuple(chance.choice(DEEDS) for _ in range(chance.randint(1, 2))) for _ in range(groups))
    troubles = tuple(_trouble(chance) for _ in range(chance.randint(1, 3)))
    dying = LOST_POINTS if lost else POINTS
    return Round(seed, stories, troubles, tuple(chance.sample(dying, chance.randint(1, 3))), lost)


def _trouble(chance):
    name = chance.choice(("freeze", "freeze", "kill", "kill", "linstor", "linstor", "cut", "deaf", "taint", "slow"))
    place = chance.choice(SIDES)
    if name in ("freeze", "kill"):
        place = chance.choice((*SIDES, "quorum"))
    elif name == "linstor":
        place = chance.choice(("delay", "half", "hang", "reset", "fail", "apply_then_fail"))
    return chance.uniform(0.2, 1.5), name, place, chance.uniform(0.5, 3.0)


class Play:
    """One round on a fleet."""

    def __init__(self, planes, namespace, played):
        self.fleet, self.planes, self.played = Fleet(planes, namespace), planes, played
        self.groups = [f"pg-{number}" for number in range(len(played.stories))]
        self.over = threading.Event()

    def run(self):
        """Everything, until the world is quiet again; how many controllers died. Raises AssertionError when a group cannot be moved any more, or when
        the checker finds something."""
        with Controllers(self.planes, self.played.deaths) as controllers:
            self.fleet.muster(self.groups)
            if self.played.lost:
                self._lose(self.played.lost)
            else:
                self._stories()
            self._heal()
            self.fleet.rest(self.groups)
            self._all(self._still_moves, self.groups)
            self.fleet.rest(self.groups)
            assert_true_world(self.planes, self.fleet.namespace)
            return controllers.deaths

    def _stories(self):
        with ThreadPoolExecutor(1) as side:
            troubled = side.submit(self._troubles)
            self._all(self._story, self.groups, self.played.stories)
            self.over.set()
            troubled.result()

    def _all(self, work, *lists):
        with ThreadPoolExecutor(len(self.groups)) as pool:
            list(pool.map(work, *lists))

    def _troubles(self):
        trouble = Trouble(self.planes, self.over)
        for pause, name, place, seconds in self.played.troubles:
            if not self.over.wait(pause):
                trouble(name, place, seconds)

    def _heal(self):
        for cluster in self.planes.clusters:
            cluster.agent.reset()

    def _story(self, group, deeds):
        for deed in deeds:
            getattr(self, f"_{deed}")(group)

    def _lose(self, place):
        """Half of the groups live there. All of them are moved off it without it, the others are drilled or left; then it comes back."""
        lost = self.planes.cluster1 if place == "cluster1" else self.planes.cluster2
        other = next(name for name in SIDES if name != place)
        here = self.groups[::2] if place == "cluster1" else self.groups[1::2]
        away = [name for name in self.groups if name not in here] if place == "cluster1" else here
        self._all(lambda name: self.fleet.move(name, "cluster2").until_ended(ENDS_WITHIN), away)
        self.planes.power_off(lost)
        try:
            with ThreadPoolExecutor(1) as side:
                troubled = side.submit(self._troubles_without, place)
                hit = [name for name in self.groups if self.fleet.active(name) == place]
                self._all(lambda name: self._without(name, other), hit)
                self.over.set()
                troubled.result()
        finally:
            self.planes.power_on(lost)

    def _troubles_without(self, place):
        """A site that is lost has no further trouble of its own."""
        trouble = Trouble(self.planes, self.over)
        for pause, name, where, seconds in self.played.troubles:
            if not self.over.wait(pause) and where != place and name not in ("cut", "taint"):
                trouble(name, where, seconds)

    def _without(self, group, target):
        moved = self.fleet.move(group, target, type="unplanned", confirmSourceDown=True)
        moved.until_ended(ENDS_WITHIN)

    # deeds

    def _other(self, group):
        return next(name for name in SIDES if name != self.fleet.active(group))

    def _planned(self, group):
        self.fleet.move(group, self._other(group)).until_ended(ENDS_WITHIN)

    def _drill(self, group):
        target = self._other(group)
        self.fleet.move(group, target, type="test").until_ended(ENDS_WITHIN)
        self._cleaned(group, target)

    def _cleaned(self, group, target):
        """As a person does it: again until it is done."""
        for _ in range(3):
            if self.fleet.move(group, target, type="cleanup").until_ended(ENDS_WITHIN).phase == "Succeeded":
                return

    def _pair(self, group):
        """Two in the same second, to the same side."""
        self._both(group, [self._other(group)] * 2)

    def _opposite(self, group):
        self._both(group, SIDES)

    def _both(self, group, targets):
        with ThreadPoolExecutor(2) as pool:
            made = list(pool.map(lambda target: self.fleet.move(group, target), targets))
        for failover in made:
            failover.until_ended(ENDS_WITHIN)

    def _delete(self, group):
        """A Failover that is deleted in the middle ends first."""
        failover = self.fleet.move(group, self._other(group))
        failover.until("begun or over", lambda: failover.states() or failover.phase, ENDS_WITHIN)
        wait_until("its deletion", ENDS_WITHIN, lambda: self.planes.quorum.api.delete(failover.path) or True)
        wait_until("its end", ENDS_WITHIN, lambda: not machines.look(self.planes.quorum.api, failover.path))

    def _hang(self, group):
        self._with_guest(group, "hang")

    def _stick(self, group):
        """Terminating for as long as the Failover bears it, or until somebody frees it."""
        self._with_guest(group, "stick")

    def _crash(self, group):
        self._guest(group, "crash")
        self._planned(group)

    def _with_guest(self, group, deed):
        source = self._guest(group, deed)
        failover = self.fleet.move(group, self._other(group))
        with contextlib.suppress(AssertionError):  # what is refused at once, or cannot be seen now, never comes there
            failover.until("a stop", lambda: "stop_source" in failover.states() or failover.phase == "Failed", 5)
        source.agent.guest(self.fleet.namespace, f"{group}-vm1", "recover")
        failover.until_ended(ENDS_WITHIN)

    def _guest(self, group, deed):
        source = next(cluster for cluster in self.planes.clusters if cluster.name == self.fleet.active(group))
        source.agent.guest(self.fleet.namespace, f"{group}-vm1", deed)
        return source

    def _still_moves(self, group):
        """Whatever happened to it: with the world whole again it can be moved."""
        for _ in range(3):
            failover = self.fleet.move(group, self._other(group)).until_ended(ENDS_WITHIN)
            if failover.phase == "Succeeded":
                return
        locks = {plane.name: self.fleet.lease(group, plane) for plane in self.planes}
        raise AssertionError(f"{group} cannot be moved any more: {failover.message}; locks {locks}; {failover.status}")
