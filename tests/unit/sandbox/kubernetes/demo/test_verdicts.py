"""The comparisons of the Kubernetes demo: each must be able to say no, and say for what."""

import dataclasses
import io
from collections.abc import Sequence

import pytest

from sandbox.demo.screen import Screen
from sandbox.kubernetes.demo import verdicts
from sandbox.kubernetes.demo.movement import Movement
from sandbox.kubernetes.demo.witness import Replica, Sample
from sandbox.kubernetes.workload import GROUPS, volume_of

VMS = frozenset(GROUPS["pg-a"])
NOBODY: frozenset[str] = frozenset()


def sample(time: float, runs: str | None, generation: int, *, there: int | None = None) -> Sample:
    """All VMs of pg-a on one cluster, or on none; their disks hold `generation` on cluster1, `there` (or the same) on cluster2."""
    places = {name: VMS if name == runs else NOBODY for name in ("cluster1", "cluster2")}
    held = {"cluster1": generation, "cluster2": generation if there is None else there}
    disks = {
        volume_of(vm): {name: Replica(number, name == runs, True, True) for name, number in held.items()} for vm in VMS
    }
    return Sample(time, places, places, disks)


GOOD = (
    sample(100.0, "cluster1", 40),
    sample(101.0, "cluster1", 42),
    sample(103.0, None, 43),
    sample(106.0, "cluster2", 44),
)


def judged(samples: Sequence[Sample]) -> Screen:
    screen = Screen(io.StringIO())
    verdicts.moved(screen, "away", Movement(samples, "pg-a", "cluster1", "cluster2"))
    return screen


def test_a_good_move_holds_and_says_how_long_it_took() -> None:
    """Three claims hold, the last write that arrived is shown, and the pause is from the last sign of life to the first."""
    screen = Screen(io.StringIO())
    outcome = verdicts.moved(screen, "away", Movement(GOOD, "pg-a", "cluster1", "cluster2"))
    assert (len(screen.verdicts), screen.failed) == (3, [])
    assert (outcome.silence, outcome.lost) == ("5 s", "nothing")
    assert isinstance(screen.stream, io.StringIO)
    assert screen.stream.getvalue().count("write 43") == 4


def test_a_lost_write_is_told_though_more_were_written_since() -> None:
    """What counts is what the target's disks held before its VMs wrote there."""
    samples = [*GOOD[:2], sample(103.0, None, 43, there=42), sample(106.0, "cluster2", 43, there=99)]
    assert judged(samples).failed == ["no write was lost on any disk: not so for shop-db-disk, shop-web-disk"]


def test_a_move_that_nobody_saw_proves_nothing() -> None:
    """Where the target's disk was in use from the first sample on, there is nothing to compare with."""
    assert "no write was lost" in judged(GOOD[3:]).failed[0]


def test_a_vm_that_is_missing_and_one_left_behind_are_named() -> None:
    """One that does not run on the target, and one that still has its disk on the source."""
    last = dataclasses.replace(
        GOOD[3],
        running={"cluster1": NOBODY, "cluster2": VMS - {"shop-web"}},
        present={"cluster1": frozenset({"shop-db"}), "cluster2": NOBODY},
    )
    assert judged([*GOOD[:3], last]).failed == [
        "all VMs of pg-a run on cluster2, and nowhere else: not so for shop-db, shop-web"
    ]


def test_a_vm_that_runs_twice_for_a_moment_is_named() -> None:
    """One sample is enough."""
    both = dataclasses.replace(GOOD[2], present={"cluster1": VMS, "cluster2": frozenset({"shop-db"})})
    assert judged([*GOOD[:2], both, *GOOD[2:]]).failed[0].endswith("not so for shop-db")


def test_a_disk_in_use_on_both_sides_is_named() -> None:
    """Whatever the VMs on it do."""
    torn = {**GOOD[2].disks, "wiki-db-disk": {name: Replica(1, True, True, True) for name in ("cluster1", "cluster2")}}
    both = dataclasses.replace(GOOD[2], disks=torn)
    assert judged([*GOOD[:2], both, *GOOD[2:]]).failed[0].endswith("not so for wiki-db-disk")


def test_a_neighbour_that_stumbles_is_named() -> None:
    """One sample without a sign of life is a disturbance."""
    screen = Screen(io.StringIO())
    verdicts.stayed(screen, "pg-a", "cluster1", GOOD[:2])
    verdicts.stayed(screen, "pg-a", "cluster1", GOOD[:3])
    assert screen.failed == ["pg-a ran on cluster1 all the time, undisturbed: not so for shop-db, shop-web"]


@pytest.mark.parametrize(
    ("state", "disks", "present", "running"),
    [
        ("running", {"d": 3}, True, True),
        ("booting", {"d": 3}, True, False),
        ("booting", {}, False, False),
        ("ended", {}, False, False),
    ],
)
def test_a_process_without_a_disk_is_no_vm(state: str, disks: dict[str, int], present: bool, running: bool) -> None:
    """What waits for a disk that it does not get has not started; what has it may write at any moment."""
    agents = {"cluster1": {"guests": {"site-recovery/shop-db": [{"state": state, "disks": disks}]}}}
    seen = Sample.of(0.0, agents, {})
    assert ("shop-db" in seen.present["cluster1"]) is present
    assert ("shop-db" in seen.running["cluster1"]) is running


def test_a_disk_used_over_the_network_is_in_use() -> None:
    """A VM on a node without data makes that node Primary; its cluster uses the disk all the same."""
    common = {"generation": 7, "disk": "UpToDate", "sync": None, "quorum_option": "majority"}
    replicas = {
        "c1-node1": {**common, "cluster": "cluster1", "diskful": True, "role": "Secondary"},
        "c1-node2": {**common, "cluster": "cluster1", "diskful": False, "role": "Primary"},
        "c2-node1": {**common, "cluster": "cluster2", "diskful": True, "role": "Secondary", "quorum_option": "off"},
    }
    seen = Sample.of(0.0, {}, {"shop-db-disk": {"replicas": replicas}}).disks["shop-db-disk"]
    assert seen == {"cluster1": Replica(7, True, True, True), "cluster2": Replica(7, False, True, False)}
