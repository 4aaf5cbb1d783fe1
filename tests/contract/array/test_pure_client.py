"""The official client drives a recovery's storage side and sees what Pure's documentation says it sees."""

from __future__ import annotations

from typing import Any

import pytest

from contract.array.simulator import Simulator

# The client's venv is made by the first test that needs it; that may take minutes on a fresh machine.
pytestmark = pytest.mark.timeout(1800)
Facts = dict[str, Any]


def test_negotiates_our_ceiling_and_sees_both_arrays(pure_facts: Facts) -> None:
    """The client settles on REST 2.26, knows each array by its own id, and the link is up."""
    assert pure_facts["rest"] == "2.26"
    assert len({array["id"] for array in pure_facts["arrays"]}) == 2
    assert [(c["name"], c["status"], c["type"]) for c in pure_facts["connections"]] == [
        ("array-b", "connected", "async-replication")
    ]


def test_replication_is_set_up_by_handshake(pure_facts: Facts) -> None:
    """The replica appears on the target as source:group, is allowed there once, and all members are in."""
    forward = pure_facts["forward"]
    assert forward["replica"]["name"] == "array-a:pg"
    assert forward["replica"]["is_local"] is False
    assert forward["members"] == ["v1", "v2"]
    assert "already allowed on" in forward["allowed twice"]


def test_replicated_point_arrives_whole(pure_facts: Facts) -> None:
    """A snapshot cannot be cloned while it arrives; then every member is there, from one instant."""
    sent = pure_facts["sent"]
    assert sent["sent"]["name"] == "pg.dr-one"
    assert sent["clone while arriving"] != "accepted"
    assert sent["transfer"]["progress"] == 1.0
    assert sorted(member["name"] for member in sent["members"]) == ["array-a:pg.dr-one.v1", "array-a:pg.dr-one.v2"]
    assert {member["created"] for member in sent["members"]} == {sent["sent"]["created"]}
    assert sent["newest usable"] == "array-a:pg.dr-one"


def test_copy_is_taken_tagged_and_never_made_twice(pure_facts: Facts) -> None:
    """The copy knows its source, carries our tag, and its name is refused a second time."""
    copy = pure_facts["copy"]
    assert copy["volume"]["source"]["name"] == "array-a:pg.dr-one.v1"
    assert copy["volume"]["connection_count"] == 0
    assert [(tag["key"], tag["value"]) for tag in copy["tags"]] == [("op", "op-1")]
    assert copy["second"] == "Volume already exists."


def test_absence_is_an_error_by_name_and_an_empty_list_by_filter(pure_facts: Facts) -> None:
    """Only `names=` refuses what is not there."""
    assert pure_facts["absent"] == "Volume does not exist."
    assert pure_facts["filtered absent"] == []


def test_failback_brings_the_writes_of_the_other_side_home(pure_facts: Facts, arrays: Simulator) -> None:
    """After the reverse replication the overwritten original holds generation 20 under its old id."""
    assert pure_facts["back"]["newest usable"] == "array-b:pg-rev.dr-two"
    held = {volume["name"]: volume for volume in arrays.held("array-a")["volumes"]}
    assert held["v1"]["generation"] == 20
    assert held["v2"]["generation"] == 7
    copied = {volume["name"]: volume for volume in arrays.held("array-b")["volumes"]}
    assert set(copied) == {"dr-copy-01"}


def test_teardown_leaves_the_replica_and_reserves_the_name(pure_facts: Facts) -> None:
    """A destroyed group keeps its name; its replica stays on the target as long as it has snapshots."""
    assert "has been destroyed" in pure_facts["down"]["again"]
    assert pure_facts["down"]["left on target"] is True
