"""The storage backends as the group controller sees them."""

import asyncio

from siterecovery.kubevirt.processes.volumes import StorageViews, view
from siterecovery.kubevirt.storage.base import Reason, Unreachable
from siterecovery.kubevirt.storage.states import Connection, Disk, Replica, Role, VolumeState

HERE, THERE = "cluster1", "cluster2"


def replica(node, cluster, disk=Disk.UP_TO_DATE, role=Role.SECONDARY, connection=Connection.CONNECTED, answers=True):
    other = {"n1": "n2", "n2": "n1"}[node]
    return Replica(node, cluster, answers=answers, role=role, disk=disk, connections={other: connection})


def state(*replicas, **more):
    found = replicas or (replica("n1", HERE, role=Role.PRIMARY), replica("n2", THERE))
    return VolumeState("pvc-1", found, **{"quorum_policy": "majority"} | more)


def seen(found, *reasons):
    return view(found, reasons, HERE)


def test_a_healthy_volume():
    """In sync, connected, fenced by quorum, without a problem."""
    found = seen(state())
    assert (found.role, found.disk_state, found.connection) == ("Primary", "UpToDate", "Connected")
    assert (found.in_sync, found.connected, found.fenced, found.exists, found.problem) == (True, True, True, True, "")


def test_quorum_that_is_off_fences_nobody():
    """Off, whoever switched it off, is not fenced; a volume nobody knows is not fenced and not there."""
    assert seen(state(quorum_policy="off", forced=True)).fenced is False
    gone = seen(VolumeState("pvc-1", exists=False))
    assert (gone.exists, gone.fenced) == (False, None)


def test_a_lost_peer_is_seen_and_a_silent_one_is_unknown():
    """A connection that broke is out of sync and not connected; a satellite that does not answer makes both unknown."""
    broken = seen(
        state(
            replica("n1", HERE, connection=Connection.CONNECTING),
            replica("n2", THERE, connection=Connection.CONNECTING),
        )
    )
    assert (broken.in_sync, broken.connected) == (False, False)
    silent = seen(
        state(
            replica("n1", HERE, connection=Connection.UNKNOWN),
            replica("n2", THERE, answers=False, disk=Disk.UNKNOWN, role=Role.UNKNOWN, connection=Connection.UNKNOWN),
        )
    )
    assert (silent.in_sync, silent.connected) == (None, None)


def test_what_else_is_wrong_is_told():
    """A requirement that is not met is the volume's problem; another volume's, and what is only unknown, are not."""
    wrong = Reason("pvc-1", "TooFewReplicas", "only one replica")
    assert seen(state(), wrong).problem == "only one replica"
    assert seen(state(), Reason("pvc-1", "X", "who knows", unknown=True)).problem == ""


def test_the_backend_is_asked_once_and_each_volume_has_its_own_problem():
    """However many volumes: a thousand of them were read four times over in each round, and each was compared with the problems of all."""

    class Backend:
        asked = 0

        async def states(self, volumes):
            self.asked += 1
            alone = VolumeState(
                "pvc-2", (replica("n1", HERE, connection=Connection.CONNECTED),), quorum_policy="majority"
            )
            return {"pvc-1": state(), "pvc-2": alone}

    backend = Backend()
    views = asyncio.run(
        StorageViews(backend, lambda name: None).views("linstor", "ns", ["pvc-1", "pvc-2"], HERE, [HERE, THERE])
    )
    assert backend.asked == 1
    assert views["pvc-1"].problem == ""
    assert "pvc-2" in views["pvc-2"].problem


def test_an_unreachable_backend_leaves_everything_unknown():
    """No backend, or one that does not answer, is a view full of None, never an error."""

    class Away:
        async def states(self, volumes):
            raise Unreachable("LINSTOR is away")

    for linstor in (None, Away()):
        views = asyncio.run(
            StorageViews(linstor, lambda name: None).views("linstor", "ns", ["pvc-1"], HERE, [HERE, THERE])
        )
        found = views["pvc-1"]
        assert (found.role, found.in_sync, found.fenced, found.exists) == (None, None, None, True)
