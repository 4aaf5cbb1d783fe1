"""The pure parts: sides out of replicas, LINSTOR's JSON, the storage class, waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from siterecovery.kubevirt.storage.base import Sync, Unreachable
from siterecovery.kubevirt.storage.judging import readiness, release
from siterecovery.kubevirt.storage.linstor.reading import volume_state
from siterecovery.kubevirt.storage.requirements import class_problem, placement_count
from siterecovery.kubevirt.storage.states import (
    Connection,
    Disk,
    Replica,
    Role,
    VolumeState,
    majority,
)
from siterecovery.kubevirt.storage.waiting import wait_in_sync

UP = {"b": Connection.CONNECTED}


def test_a_side_is_as_unknown_as_its_most_silent_node() -> None:
    """One node that does not answer makes use unknown, unless another is certainly Primary."""
    quiet = Replica("a2", "one", diskful=False, answers=False)
    used = Replica("a", "one", role=Role.PRIMARY, disk=Disk.UP_TO_DATE)
    idle = Replica("a", "one", role=Role.SECONDARY, disk=Disk.UP_TO_DATE)
    assert VolumeState("v", (idle, quiet)).side("one").in_use is None
    assert VolumeState("v", (used, quiet)).side("one").in_use is True
    assert VolumeState("v", (used, quiet)).side("one").unknown
    assert VolumeState("v", (idle,)).side("one").in_use is False


def test_in_sync_is_more_than_two_whole_disks() -> None:
    """Both up to date and yet apart: one of them may be old. A disk that is silent or being filled is not in sync either; no disk at all is not."""

    def disk(node: str, peer: str, link: Connection = Connection.CONNECTED, state: Disk = Disk.UP_TO_DATE) -> Replica:
        return Replica(node, node, disk=state, connections={peer: link})

    assert VolumeState("v", (disk("a", "b"), disk("b", "a"))).in_sync()
    assert not VolumeState("v", (disk("a", "b", Connection.CONNECTING), disk("b", "a"))).in_sync()
    assert not VolumeState("v", (disk("a", "b"), disk("b", "a", state=Disk.INCONSISTENT))).in_sync()
    assert not VolumeState("v", (disk("a", "b"), Replica("b", "b", answers=False))).in_sync()
    assert not VolumeState("v", (Replica("q", "q", diskful=False),)).in_sync()


def test_a_target_that_is_started_already_is_no_obstacle() -> None:
    """A step that is repeated after its VMs were started finds the target Primary, and is content."""
    target = Replica("b", "two", role=Role.PRIMARY, disk=Disk.UP_TO_DATE, may_promote=False)
    other = Replica("b2", "two", diskful=False, answers=False)
    source = Replica("a", "one", role=Role.SECONDARY, disk=Disk.UP_TO_DATE)
    states = {"v": VolumeState("v", (target, other, source))}
    assert readiness(states, "two", blind=False).ready
    assert not readiness(states, "one", blind=False).ready


def test_releasing_counts_nodes_of_no_cluster() -> None:
    """An unlabelled node may be the source's: it holds, or is unknown, like one. No replica there holds nothing; no volume is unknown."""

    def of(*replicas: Replica, exists: bool = True) -> tuple[object, object]:
        found = release({"v": VolumeState("v", replicas, exists=exists)}, "one")
        return found.held, found.unknown

    assert of(Replica("x", "", role=Role.PRIMARY)) == ((("v", "x"),), ())
    assert of(Replica("x", "", answers=False)) == ((), (("v", "x"),))
    assert of(Replica("b", "two", role=Role.PRIMARY)) == ((), ())
    assert of(exists=False) == ((), (("v", ""),))


def test_a_side_without_replicas_is_unknown() -> None:
    """Nothing to ask is not the same as unused."""
    side = VolumeState("v", (Replica("a", "one"),)).side("two")
    assert (side.unknown, side.in_use, side.disk) == (True, None, Disk.UNKNOWN)


@pytest.mark.parametrize(
    ("seen", "ties", "policy", "expected"),
    [
        ({"b": True}, {}, "majority", True),
        ({"b": False}, {}, "majority", False),
        ({"b": False}, {"q": True}, "majority", True),
        ({"b": False}, {"q": False}, "majority", False),
        ({"b": True}, {"q": False}, "majority", True),
        ({"b": False, "c": True}, {}, "majority", True),
        ({"b": False, "c": False}, {"q": True}, "majority", False),
        ({"b": False}, {}, "off", True),
        ({"b": False}, {"q": True}, "all", False),
    ],
)
def test_majority(seen: dict[str, bool], ties: dict[str, bool], policy: str, expected: bool) -> None:
    """Disks vote; diskless nodes only break a tie; `off` asks nobody; `all` needs every disk."""
    word = {True: Connection.CONNECTED, False: Connection.CONNECTING}
    replica = Replica("a", "one", connections={node: word[up] for node, up in (seen | ties).items()})
    others = [Replica(node, "two") for node in seen] + [Replica(node, "three", diskful=False) for node in ties]
    assert majority(replica, [replica, *others], policy) is expected
    assert majority(Replica("a", "one", answers=False), others, policy) is None


def linstor(node: str, **more: Any) -> dict[str, Any]:
    """One resource as the controller shows it."""
    base: dict[str, Any] = {"name": "v", "node_name": node, "flags": [], "state": {"in_use": False}}
    volume = {"volume_number": 0, "state": {"disk_state": "UpToDate"}}
    return {**base, "volumes": [volume], "layer_object": {"type": "DRBD", "drbd": {}}} | more


def read(*resources: dict[str, Any], online: Sequence[str] = ("a", "b")) -> VolumeState:
    return volume_state("v", {"name": "v"}, resources, {"a": "one", "b": "two"}, frozenset(online))


def test_what_an_offline_satellite_once_said_is_not_believed() -> None:
    """The controller may still show old flags of DRBD; only an ONLINE satellite's count."""
    old = linstor("a", layer_object={"type": "DRBD", "drbd": {"may_promote": True}})
    replica = read(old, online=["b"]).replicas[0]
    assert (replica.answers, replica.role, replica.disk, replica.may_promote) == (
        False,
        Role.UNKNOWN,
        Disk.UNKNOWN,
        None,
    )


@pytest.mark.parametrize(
    ("state", "percent"),
    [
        ({"disk_state": "SyncTarget(42.50%)"}, 42.5),
        (
            {
                "disk_state": "Inconsistent",
                "replication_states": {"b": {"replication_state": "SyncTarget", "done_percentage": 42.5}},
            },
            42.5,
        ),
        (
            {
                "disk_state": "Inconsistent",
                "replication_states": {"b": {"replication_state": "SYNC_TARGET", "done_percentage": 42.5}},
            },
            42.5,
        ),
        (
            {
                "disk_state": "Inconsistent",
                "replication_states": {"b": {"replication_state": "PausedSyncT", "done_percentage": 42.5}},
            },
            42.5,
        ),
        ({"disk_state": "Inconsistent", "replication_states": {}}, None),
    ],
)
def test_a_disk_that_is_filled_is_inconsistent(state: dict[str, Any], percent: float | None) -> None:
    """However the version of LINSTOR words it."""
    replica = read(linstor("a", volumes=[{"volume_number": 0, "state": state}])).replicas[0]
    assert (replica.disk, replica.sync_percent) == (Disk.INCONSISTENT, percent)


def test_the_worst_volume_of_a_resource_counts() -> None:
    """A resource is promoted as a whole."""
    volumes = [{"volume_number": n, "state": {"disk_state": word}} for n, word in enumerate(["UpToDate", "Outdated"])]
    assert read(linstor("a", volumes=volumes)).replicas[0].disk is Disk.OUTDATED
    assert read(linstor("a", volumes=list(reversed(volumes)))).replicas[0].disk is Disk.OUTDATED


def test_an_unknown_word_is_unknown() -> None:
    """A disk state of a newer DRBD, and an `in_use` that is not told, are not guessed."""
    replica = read(linstor("a", state={}, volumes=[{"state": {"disk_state": "Shiny"}}])).replicas[0]
    assert (replica.disk, replica.role) == (Disk.UNKNOWN, Role.UNKNOWN)


@pytest.mark.parametrize(
    ("parameters", "count"),
    [
        ({}, 1),
        ({"linstor.csi.linbit.com/placementCount": "2"}, 2),
        ({"placementCount": "3"}, 3),
        ({"autoPlace": "2"}, 2),
        ({"linstor.csi.linbit.com/autoplace": "2"}, 2),
        ({"placementCount": "many"}, None),
    ],
)
def test_placement_count(parameters: dict[str, str], count: int | None) -> None:
    """By the new and the old name, with and without the prefix, in any case; 1 when nothing is said."""
    assert placement_count(parameters) == count


def test_the_storage_class_must_replicate() -> None:
    """The provisioner has to be LINSTOR's and the count two or more; the message names class, volume and what to do."""
    good = {
        "metadata": {"name": "fast"},
        "provisioner": "linstor.csi.linbit.com",
        "parameters": {"placementCount": "2"},
    }
    assert class_problem(good, "v") is None
    few = class_problem(good | {"parameters": None}, "v")
    assert few is not None
    assert (few.kind, "fast" in few.message) == ("TooFewReplicas", True)
    other = class_problem(good | {"provisioner": "ebs.csi.aws.com"}, "v")
    assert other is not None
    assert (other.kind, "ebs.csi.aws.com" in other.message) == ("WrongProvisioner", True)


class Syncing:
    """Answers `sync` from a list; None stands for no answer."""

    def __init__(self, *percents: float | None) -> None:
        self.left = list(percents)

    async def sync(self, volumes: Sequence[str], cluster: str) -> Sync:
        percent = self.left.pop(0)
        if percent is None:
            raise Unreachable("nobody there")
        return Sync(percent >= 100, percent)


def waited(*percents: float | None, limit: float = 60.0) -> tuple[Sync, list[float]]:
    """Wait on a clock that only the sleeps move."""
    seen, clock = [], [0.0]

    async def sleep(seconds: float) -> None:
        clock[0] += seconds

    async def run() -> Sync:
        return await wait_in_sync(
            Syncing(*percents),  # type: ignore[arg-type]
            ["v"],
            "two",
            limit=limit,
            progress=lambda found: seen.append(found.percent),
            sleep=sleep,
            now=lambda: clock[0],
        )

    return asyncio.run(run()), seen


def test_waiting_tells_progress_and_outlives_a_lost_answer() -> None:
    """No answer in between is no end; every observation is told."""
    found, seen = waited(10, None, 60, 100)
    assert (found.done, seen) == (True, [10, 60, 100])


def test_waiting_is_bounded() -> None:
    """After the limit the last observation is the answer, and silence is raised."""
    assert not waited(*[10] * 9, limit=5)[0].done
    with pytest.raises(Unreachable):
        waited(*[None] * 9, limit=5)
