"""Volumes, snapshots, hosts, tags and groups: names, refusals, life after destruction."""

from __future__ import annotations

from typing import Any

import pytest

from unit.sandbox.array.pair import GIB, Pair, do, names, refusal

DAY = 86_400


def test_batch_reports_each_failure_and_keeps_what_worked(pair: Pair) -> None:
    """A batch is not atomic: the good names exist, each bad one has its error."""
    pair.volumes("v1")
    status, answer = pair.a.call("POST", "/volumes", {"names": "v1,v2,-bad"}, {"provisioned": GIB})
    assert status == 400
    assert [error["context"] for error in answer["errors"]] == ["v1", "-bad"]
    assert names(pair.a, "/volumes") == ["v1", "v2"]


def test_names_are_unique_in_any_case(pair: Pair) -> None:
    """V1 collides with v1, and either finds it."""
    pair.volumes("v1")
    assert refusal(pair.a, "POST", "/volumes", {"names": "V1"}, {"provisioned": GIB}) == "Volume already exists."
    assert names(pair.a, "/volumes", names="V1") == ["v1"]


@pytest.mark.parametrize("name", ["", "-a", "a.b", "1234", "x" * 64, "a b"])
def test_improper_volume_names_are_refused(pair: Pair, name: str) -> None:
    """Purity's naming rules hold for volumes."""
    status, answer = pair.a.call("POST", "/volumes", {"names": name or "-"}, {"provisioned": GIB})
    assert status == 400, answer
    assert len(pair.a.volumes) == 0


@pytest.mark.parametrize("suffix", ["dr_1", "12345", "-x", "x-", "x" * 64])
def test_improper_suffixes_are_refused(pair: Pair, suffix: str) -> None:
    """A suffix has no underscore, is not a bare number, and ends alphanumerically."""
    pair.volumes("v1")
    do(pair.a, "POST", "/protection-groups", {"names": "pg"}, {})
    message = refusal(pair.a, "POST", "/protection-group-snapshots", {"source_names": "pg"}, {"suffix": suffix})
    assert "The suffix must include at least one letter or '-'." in message
    assert message == refusal(pair.a, "POST", "/volume-snapshots", {"source_names": "v1"}, {"suffix": suffix})


def test_destroyed_volume_keeps_its_name_until_its_day_is_over(pair: Pair) -> None:
    """Destroyed means pending: listed, counted down, name reserved, then gone by itself."""
    pair.volumes("v1")
    do(pair.a, "PATCH", "/volumes", {"names": "v1"}, {"destroyed": True})
    assert "has been destroyed" in refusal(pair.a, "POST", "/volumes", {"names": "v1"}, {"provisioned": GIB})
    pair.clock.advance(3600)
    assert do(pair.a, "GET", "/volumes", {"names": "v1"})[0]["time_remaining"] == (DAY - 3600) * 1000
    assert names(pair.a, "/volumes", destroyed="false") == []
    pair.clock.advance(DAY)
    assert refusal(pair.a, "GET", "/volumes", {"names": "v1"}) == "Volume does not exist."
    pair.volumes("v1")


def test_recovered_volume_outlives_its_old_deadline(pair: Pair) -> None:
    """Recovery ends the countdown, and eradication wants destruction first."""
    pair.volumes("v1")
    identity = pair.a.volumes.need("v1").id
    assert "must be destroyed" in refusal(pair.a, "DELETE", "/volumes", {"names": "v1"})
    do(pair.a, "PATCH", "/volumes", {"names": "v1"}, {"destroyed": True})
    do(pair.a, "PATCH", "/volumes", {"names": "v1"}, {"destroyed": False})
    pair.clock.advance(2 * DAY)
    assert do(pair.a, "GET", "/volumes", {"names": "v1"})[0]["id"] == identity
    assert "is not destroyed" in refusal(pair.a, "PATCH", "/volumes", {"names": "v1"}, {"destroyed": False})


def test_eradication_frees_the_name_unless_it_is_disabled(pair: Pair) -> None:
    """DELETE on a pending volume frees its name; with eradication disabled it is refused."""
    pair.volumes("v1")
    do(pair.a, "PATCH", "/volumes", {"names": "v1"}, {"destroyed": True})
    pair.a.settings.eradication_disabled = True
    assert refusal(pair.a, "DELETE", "/volumes", {"names": "v1"}) == "Eradication is disabled."
    pair.a.settings.eradication_disabled = False
    do(pair.a, "DELETE", "/volumes", {"names": "v1"})
    pair.volumes("v1")


def test_rename_is_not_idempotent_and_keeps_the_id(pair: Pair) -> None:
    """A replayed rename finds nothing under the old name; the id and serial stay."""
    pair.volumes("v1", "taken")
    before = do(pair.a, "GET", "/volumes", {"names": "v1"})[0]
    assert refusal(pair.a, "PATCH", "/volumes", {"names": "v1"}, {"name": "taken"}) == "Volume already exists."
    do(pair.a, "PATCH", "/volumes", {"names": "v1"}, {"name": "v1-new"})
    assert refusal(pair.a, "PATCH", "/volumes", {"names": "v1"}, {"name": "v1-new"}) == "Volume does not exist."
    after = do(pair.a, "GET", "/volumes", {"names": "v1-new"})[0]
    assert (after["id"], after["serial"]) == (before["id"], before["serial"])


def test_rename_together_with_destroy_is_refused(pair: Pair) -> None:
    """One PATCH is one kind of change."""
    pair.volumes("v1")
    body = {"name": "v2", "destroyed": True}
    assert refusal(pair.a, "PATCH", "/volumes", {"names": "v1"}, body) == "Invalid combination of parameters specified."
    assert names(pair.a, "/volumes", destroyed="false") == ["v1"]


def test_overwrite_takes_content_and_size_but_keeps_identity_and_tags(pair: Pair) -> None:
    """An overwritten volume is still itself; only its content, size and source changed."""
    pair.volumes("v1", "v2")
    do(pair.a, "PATCH", "/volumes", {"names": "v2"}, {"provisioned": 2 * GIB})
    pair.a.write("v2", 9)
    tag = [{"key": "op", "value": "1", "namespace": "dr"}]
    do(pair.a, "PUT", "/volumes/tags/batch", {"resource_names": "v1"}, tag)
    identity = pair.a.volumes.need("v1").id
    after = pair.copy("v2", "v1", pair.a, overwrite="true")
    assert (after["id"], after["provisioned"], after["source"]["name"]) == (identity, 2 * GIB, "v2")
    assert pair.a.read("v1") == 9
    assert do(pair.a, "GET", "/volumes/tags", {"resource_names": "v1"})[0]["value"] == "1"


def test_shrinking_needs_truncation(pair: Pair) -> None:
    """A smaller size is refused unless truncate is said."""
    pair.volumes("v1")
    assert "truncation" in refusal(pair.a, "PATCH", "/volumes", {"names": "v1"}, {"provisioned": GIB // 2})
    do(pair.a, "PATCH", "/volumes", {"names": "v1", "truncate": "true"}, {"provisioned": GIB // 2})


def test_full_array_creates_nothing(pair: Pair) -> None:
    """A filled array refuses new volumes."""
    pair.a.settings.filled = pair.a.settings.capacity
    assert "not enough space" in refusal(pair.a, "POST", "/volumes", {"names": "v1"}, {"provisioned": GIB})


def test_connected_volume_is_not_destroyed_and_its_host_not_deleted(pair: Pair) -> None:
    """Connections hold both ends until they are removed."""
    pair.volumes("v1")
    do(pair.a, "POST", "/hosts", {"names": "h1"}, {"iqns": ["iqn.x:1"]})
    in_use = refusal(pair.a, "POST", "/hosts", {"names": "h2"}, {"iqns": ["iqn.x:1"]})
    assert in_use == "The specified IQN is already in use."
    ends = {"host_names": "h1", "volume_names": "v1"}
    assert do(pair.a, "POST", "/connections", ends, {})[0]["lun"] == 1
    assert refusal(pair.a, "POST", "/connections", ends, {}) == "Connection already exists."
    assert "existing connections" in refusal(pair.a, "PATCH", "/volumes", {"names": "v1"}, {"destroyed": True})
    assert "cannot be deleted due to existing connections" in refusal(pair.a, "DELETE", "/hosts", {"names": "h1"})
    assert names(pair.a, "/hosts", filter="iqns='iqn.x:1' and is_local") == ["h1"]
    do(pair.a, "DELETE", "/connections", ends)
    assert refusal(pair.a, "DELETE", "/connections", ends) == "Connection does not exist."
    do(pair.a, "DELETE", "/hosts", {"names": "h1"})
    do(pair.a, "PATCH", "/volumes", {"names": "v1"}, {"destroyed": True})


def test_tags_have_limits_and_namespaces(pair: Pair) -> None:
    """Keys to 64, values to 256, 30 a call; deleting one namespace leaves the other."""
    pair.volumes("v1")
    where = {"resource_names": "v1"}
    put = "/volumes/tags/batch"
    long_key, long_value, many = [{"key": "k" * 65}], [{"key": "k", "value": "v" * 257}], [{"key": "k"}] * 31
    senseless: tuple[Any, ...] = (long_key, long_value, many, {})
    for bad in senseless:
        refusal(pair.a, "PUT", put, where, bad)
    do(
        pair.a,
        "PUT",
        put,
        where,
        [{"key": "a", "value": "1", "namespace": "x"}, {"key": "b", "value": "2", "namespace": "y"}],
    )
    do(pair.a, "PUT", put, where, [{"key": "a", "value": "3", "namespace": "x"}])
    do(pair.a, "DELETE", "/volumes/tags", {**where, "namespaces": "y"})
    found = do(pair.a, "GET", "/volumes/tags", where)
    assert [(tag["namespace"], tag["key"], tag["value"]) for tag in found] == [("x", "a", "3")]


def test_only_copyable_tags_go_with_a_copy(pair: Pair) -> None:
    """A clone carries the copyable tags of its source and no others."""
    pair.volumes("v1")
    tags = [{"key": "stay", "value": "1", "copyable": False}, {"key": "go", "value": "1", "copyable": True}]
    do(pair.a, "PUT", "/volumes/tags/batch", {"resource_names": "v1"}, tags)
    pair.copy("v1", "v2", pair.a)
    assert [tag["key"] for tag in do(pair.a, "GET", "/volumes/tags", {"resource_names": "v2"})] == ["go"]


def test_default_protection_swallows_new_volumes_unless_declined(pair: Pair) -> None:
    """SafeMode's default groups take a new volume in, except with with_default_protection=false."""
    do(pair.a, "POST", "/protection-groups", {"names": "safe"}, {})
    body = {"default_protections": [{"name": "safe", "type": "protection_group"}]}
    do(pair.a, "PATCH", "/container-default-protections", {"names": "array-a"}, body)
    pair.volumes("v1")
    do(pair.a, "POST", "/volumes", {"names": "v2", "with_default_protection": "false"}, {"provisioned": GIB})
    members = do(pair.a, "GET", "/protection-groups/volumes", {"group_names": "safe"})
    assert [entry["member"]["name"] for entry in members] == ["v1"]


def test_ratcheted_group_only_tightens(pair: Pair) -> None:
    """SafeMode keeps group, members and their eradication locked, and never opens again."""
    pair.volumes("v1")
    do(pair.a, "POST", "/protection-groups", {"names": "safe"}, {})
    do(pair.a, "POST", "/protection-groups/volumes", {"group_names": "safe", "member_names": "v1"}, {})
    do(pair.a, "PATCH", "/protection-groups", {"names": "safe"}, {"retention_lock": "ratcheted"})
    refusal(pair.a, "PATCH", "/protection-groups", {"names": "safe"}, {"retention_lock": "unlocked"})
    refusal(pair.a, "PATCH", "/protection-groups", {"names": "safe"}, {"destroyed": True})
    refusal(pair.a, "DELETE", "/protection-groups/volumes", {"group_names": "safe", "member_names": "v1"})
    do(pair.a, "PATCH", "/volumes", {"names": "v1"}, {"destroyed": True})
    assert refusal(pair.a, "DELETE", "/volumes", {"names": "v1"}) == "Eradication is disabled."


def test_membership_is_refused_twice_and_when_absent(pair: Pair) -> None:
    """Adding twice and removing what is not in have their own messages; a non-member lists as nothing."""
    pair.volumes("v1")
    do(pair.a, "POST", "/protection-groups", {"names": "pg"}, {})
    query = {"group_names": "pg", "member_names": "v1"}
    assert do(pair.a, "GET", "/protection-groups/volumes", {"member_names": "v1"}) == []
    do(pair.a, "POST", "/protection-groups/volumes", query, {})
    assert "already belongs to" in refusal(pair.a, "POST", "/protection-groups/volumes", query, {})
    do(pair.a, "DELETE", "/protection-groups/volumes", query)
    assert "could not be found" in refusal(pair.a, "DELETE", "/protection-groups/volumes", query)


def test_pods_stay_on_one_array(pair: Pair) -> None:
    """A pod holds volumes here; stretching and linking are refused in plain words."""
    do(pair.a, "POST", "/pods", {"names": "P"}, {})
    pair.volumes("v1", "P::v2")
    do(pair.a, "PATCH", "/volumes", {"names": "v1"}, {"pod": {"name": "P"}})
    do(pair.a, "PATCH", "/volumes", {"names": "P::v2"}, {"pod": {"name": ""}})
    assert sorted(names(pair.a, "/volumes")) == ["P::v1", "v2"]
    assert names(pair.a, "/volumes", filter="pod.name='P'") == ["P::v1"]
    stretch = {"group_names": "P", "member_names": "array-b"}
    assert "not available" in refusal(pair.a, "POST", "/pods/arrays", stretch, {})
    assert "not available" in refusal(pair.a, "POST", "/pod-replica-links", {"local_pod_names": "P"}, {})
    assert "not empty" in refusal(pair.a, "PATCH", "/pods", {"names": "P"}, {"destroyed": True})


def test_unknown_parameters_are_refused(pair: Pair) -> None:
    """A typing error in query or body does not pass silently, and an unknown path is a 404."""
    assert "Unknown query parameter" in refusal(pair.a, "GET", "/volumes", {"name": "v1"})
    body = {"provisionned": GIB}
    assert "Unknown body parameter" in refusal(pair.a, "POST", "/volumes", {"names": "v1"}, body)
    assert "Only one of" in refusal(pair.a, "GET", "/volumes", {"names": "v1", "ids": "x"})
    assert pair.a.call("GET", "/volumez")[0] == 404


def test_snapshot_outlives_its_copy_and_dies_with_its_volume(pair: Pair) -> None:
    """A copy is independent of the snapshot it came from."""
    pair.volumes("v1")
    pair.a.write("v1", 4)
    do(pair.a, "POST", "/volume-snapshots", {"source_names": "v1"}, {"suffix": "safety"})
    pair.a.write("v1", 5)
    pair.copy("v1.safety", "c1", pair.a)
    do(pair.a, "PATCH", "/volume-snapshots", {"names": "v1.safety"}, {"destroyed": True})
    do(pair.a, "DELETE", "/volume-snapshots", {"names": "v1.safety"})
    assert pair.a.read("c1") == 4
    assert (
        refusal(pair.a, "POST", "/volumes", {"names": "c2"}, {"source": {"name": "v1.safety"}})
        == "No such volume or snapshot."
    )
