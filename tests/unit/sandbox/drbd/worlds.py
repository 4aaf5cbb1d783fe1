"""A DRBD world whose clock stands still until a test moves it: two clusters with two nodes each, and a tiebreaker's node."""

from __future__ import annotations

from sandbox.clock import Clock
from sandbox.kubernetes.drbd.model import Node, Replica
from sandbox.kubernetes.drbd.server import World

A, A2, B, B2, Q = "one-a", "one-b", "two-a", "two-b", "quorum-a"
ONE, TWO, HOME = "cluster1", "cluster2", "quorum"
VOLUME = "pvc-1"


def world(*, tiebreaker: bool = True) -> World:
    """Without a tiebreaker's node volumes of two replicas have no quorum."""
    nodes = [Node(A, ONE), Node(A2, ONE), Node(B, TWO), Node(B2, TWO)] + [Node(Q, HOME, pool="")] * tiebreaker
    made = World(nodes, HOME, Clock(lambda: 1000.0))
    made.volume(VOLUME, A, B)
    return made


def replica(made: World, node: str, volume: str = VOLUME) -> Replica:
    """What that node holds."""
    return made.drbd.resources[volume].replicas[node]


def written(made: World, cluster: str = ONE, node: str = A, times: int = 3) -> int:
    """A guest starts on the node and writes; the generation it reached."""
    generation = made.devices.open(cluster, node, VOLUME)
    for _ in range(times):
        generation = made.devices.write(cluster, node, VOLUME)
    return generation


def cut_all(made: World, cluster: str) -> None:
    """Nobody sees this cluster, and it sees nobody, from one instant to the next."""
    made.drbd.isolate(cluster, True)


def heal_all(made: World) -> None:
    """Everybody sees everybody."""
    made.faults.cut.clear()
    made.faults.changed()
