"""The engine is killed at every point of every move; another one goes on, and the world is as if nothing had happened."""

import pytest

from crashes.ground import NAMES, VOLUMES, Ground
from crashes.matrix import UNPLANNED, Case, cases
from protectorclient.v1.base import Resource


def whole(ground: Ground, ended: Resource, at: str) -> None:
    """The group's VMs and volumes are at one site, once each and working; at the other one only what the operation's kind leaves."""
    operator = ground.stage.operator
    servers, volumes = operator.server_list(at), operator.volume_list(at)
    assert sorted((s["name"], s["status"]) for s in servers) == [(name, "ACTIVE") for name in NAMES], ended
    assert sorted((v["name"], v["status"]) for v in volumes) == [(name, "in-use") for name in VOLUMES], ended


def empty(ground: Ground, site: str) -> None:
    operator = ground.stage.operator
    assert [s["name"] for s in operator.server_list(site)] == []
    assert [v["name"] for v in operator.volume_list(site)] == []


@pytest.mark.parametrize("case", cases(undoing=False), ids=str)
def test_an_engine_that_dies_on_the_way_is_replaced(ground: Ground, case: Case) -> None:
    """kill -9 on the way: the move is completed by the next engine; everything exists once, nothing is left, nothing has failed."""
    ended = ground.play(case, undone=False)
    assert (ended.status, ended.steps_failed) == ("completed", []), ended
    whole(ground, ended, case.kind.end)
    if case.kind is UNPLANNED:
        ground.close()
    else:
        empty(ground, case.kind.start)


@pytest.mark.parametrize("case", cases(undoing=True), ids=str)
def test_an_engine_that_dies_while_undoing_is_replaced(ground: Ground, case: Case) -> None:
    """kill -9 while a failed move is taken back: the next engine takes back the rest; the VMs run where they ran."""
    ended = ground.play(case, undone=True)
    assert ended.status == "failed", ended
    assert "It was made to fail here." in ended.error_message
    empty(ground, case.kind.end)
    if case.kind is UNPLANNED:
        ground.close()
    else:
        whole(ground, ended, case.kind.start)
