"""The Pure drivers of two Cinder releases find in the simulator the array they were written for."""

from __future__ import annotations

from typing import Any

import pytest

# A Cinder venv is made by the first test that needs it; that may take minutes on a fresh machine.
pytestmark = pytest.mark.timeout(1800)
Facts = dict[str, Any]


def held(facts: Facts, step: str, table: str, array: str = "array-a") -> dict[str, dict[str, Any]]:
    """What an array held after a step, by name."""
    return {thing["name"]: thing for thing in facts[step]["arrays"][array][table]}


def test_start_sets_up_the_replicated_group(cinder_facts: Facts) -> None:
    """do_setup leaves cinder-group with the other array as an allowed target and its schedule on."""
    assert cinder_facts["setup"]["answer"] in ("22.0.iscsi", "23.0.iscsi")
    group = held(cinder_facts, "setup", "groups")["cinder-group"]
    assert group["targets"]["array-b"]["allowed"] is True
    assert group["replication_schedule"]["enabled"] is True
    assert group["replication_schedule"]["frequency"] == 300_000
    assert group["target_retention"] == {"all_for_sec": 14400, "per_day": 3, "days": 7}
    assert held(cinder_facts, "setup", "groups", "array-b")["array-a:cinder-group"]["allowed"] is True


def test_volume_is_made_named_and_tagged(cinder_facts: Facts) -> None:
    """create_volume makes volume-<id>-cinder of the asked size with the driver's tags; extend grows it."""
    name = cinder_facts["create"]["answer"]["provider_id"]
    volume = held(cinder_facts, "create", "volumes")[name]
    assert volume["provisioned"] == 1 << 30
    assert {tag["namespace"] for tag in volume["tags"]} == {"openstack-integration.purestorage.com"}
    assert held(cinder_facts, "extend", "volumes")[name]["provisioned"] == 2 << 30


def test_replicated_type_joins_the_replicated_group(cinder_facts: Facts) -> None:
    """A volume of a replicated type, and only that, is a member of cinder-group."""
    volumes = held(cinder_facts, "create replicated", "volumes")
    wanted = volumes[cinder_facts["create replicated"]["answer"]["provider_id"]]
    assert held(cinder_facts, "create replicated", "groups")["cinder-group"]["members"] == [wanted["id"]]
    assert cinder_facts["create replicated"]["answer"]["replication_status"] == "enabled"


def test_snapshot_and_volume_from_it(cinder_facts: Facts) -> None:
    """A snapshot can become a volume and goes, pending, when it is deleted."""
    plain = cinder_facts["create"]["answer"]["provider_id"]
    taken = held(cinder_facts, "from snapshot", "volumes")[plain]["snapshots"]
    clone = held(cinder_facts, "from snapshot", "volumes")[cinder_facts["from snapshot"]["answer"]["provider_id"]]
    assert [snapshot["id"] for snapshot in taken.values()] == [clone["source"]["id"]]
    left = held(cinder_facts, "delete snapshot", "volumes")[plain]["snapshots"]
    assert [snapshot["destroyed"] for snapshot in left.values()] == [True]


def test_consistency_group_is_a_protection_group(cinder_facts: Facts) -> None:
    """Group create, add, snapshot, remove and delete happen on consisgroup-<id>-cinder."""
    name = f"consisgroup-{cinder_facts['group id']}-cinder"
    plain = held(cinder_facts, "add", "volumes")[cinder_facts["create"]["answer"]["provider_id"]]
    assert cinder_facts["create group"]["answer"] == {"status": "available"}
    assert held(cinder_facts, "create group", "groups")[name]["members"] == []
    assert held(cinder_facts, "add", "groups")[name]["members"] == [plain["id"]]
    suffix = f"cgsnapshot-{cinder_facts['group snapshot id']}-cinder"
    assert list(held(cinder_facts, "group snapshot", "groups")[name]["snapshots"][suffix]["members"]) == [plain["name"]]
    assert held(cinder_facts, "delete group snapshot", "groups")[name]["snapshots"][suffix]["destroyed"] is True
    assert held(cinder_facts, "remove", "groups")[name]["members"] == []
    assert held(cinder_facts, "delete group", "groups")[name]["destroyed"] is True


def test_connected_volume_cannot_be_managed(cinder_facts: Facts) -> None:
    """Attach connects under a LUN, manage of that volume is refused, detach removes connection and host."""
    plain = cinder_facts["create"]["answer"]["provider_id"]
    assert list(held(cinder_facts, "attach", "volumes")[plain]["connections"].values()) == [1]
    assert "cannot manage a volume connected to hosts" in cinder_facts["manage connected"]["answer"]
    assert held(cinder_facts, "detach", "volumes")[plain]["connections"] == {}
    assert held(cinder_facts, "detach", "hosts") == {}


def test_unmanage_and_manage_rename_the_same_volume(cinder_facts: Facts) -> None:
    """The array's id stays through both renames; managing into a replicated type joins cinder-group."""
    plain = cinder_facts["create"]["answer"]["provider_id"]
    before = held(cinder_facts, "detach", "volumes")[plain]
    unmanaged = held(cinder_facts, "unmanage", "volumes")[f"{plain}-unmanaged"]
    managed = held(cinder_facts, "manage", "volumes")[f"volume-{cinder_facts['managed id']}-cinder"]
    assert before["id"] == unmanaged["id"] == managed["id"]
    assert unmanaged["tags"] == []
    assert cinder_facts["size"]["answer"] == 2
    assert managed["id"] in held(cinder_facts, "manage", "groups")["cinder-group"]["members"]
    assert "Unable to find Purity ref" in cinder_facts["manage absent"]["answer"]


def test_manageable_volumes_name_what_is_managed_already(cinder_facts: Facts) -> None:
    """The driver's own inventory of the array works."""
    reasons = {entry["reason_not_safe"] for entry in cinder_facts["manageable"]["answer"]}
    assert "Volume already managed" in reasons


def test_delete_leaves_the_volume_pending(cinder_facts: Facts) -> None:
    """Deleting destroys without eradication, so that the name stays reserved."""
    name = f"volume-{cinder_facts['managed id']}-cinder"
    assert held(cinder_facts, "delete", "volumes")[name]["destroyed"] is True


def test_stats_let_the_scheduler_place_replicated_volumes(cinder_facts: Facts) -> None:
    """get_volume_stats reports capacity, async replication and its target."""
    stats = cinder_facts["stats"]["answer"]
    assert stats["total_capacity_gb"] == 100 * 1024
    assert stats["replication_enabled"] is True
    assert "async" in stats["replication_type"]
    assert stats["replication_targets"] == ["array-b"]
