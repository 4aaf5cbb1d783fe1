"""One operator's story: away for maintenance, and home again; engines are killed on the way."""

from typing import Any

import pytest

from support.site_pair import BACK, THERE, Pair, wait_for

VMS = ["db-server", "web-server-1", "web-server-2"]


def servers(pair: Pair, site: str) -> list[str]:
    return sorted(f"{s['Name']} {s['Status']}" for s in pair.openstack("server", "list", "-f", "json", cloud=site))


def running(names: list[str]) -> list[str]:
    return [f"{name} ACTIVE" for name in names]


def volumes(pair: Pair, site: str) -> list[str]:
    return sorted(f"{v['Name']} {v['Status']}" for v in pair.openstack("volume", "list", "-f", "json", cloud=site))


def generations(pair: Pair, site: str) -> dict[str, int]:
    return {guest["name"]: guest["generation"] for guest in pair.control("GET", "/guests")[site]}


def operation(pair: Pair, id: str) -> dict[str, Any]:
    found: dict[str, Any] = pair.openstack("dr", "operation", "show", id, "-f", "json")
    return found


def test_a_group_moves_away_and_home_and_loses_no_write(pair: Pair) -> None:
    """Planned failover and failback: every VM runs on one site only, with everything it had written, and nothing is left behind."""
    before = generations(pair, "site-a")
    moved = pair.openstack("dr", "failover", "prod", *THERE, "--wait", "-f", "json")
    assert moved["status"] == "completed"
    record = operation(pair, moved["operation_id"])
    assert record["steps_failed"] == []
    assert {"validate_sites", "promote_volumes", "recreate_instances", "update_protection_group"} <= set(
        record["steps_completed"]
    )
    assert (servers(pair, "site-a"), servers(pair, "site-b")) == ([], running(VMS))
    assert volumes(pair, "site-a") == []
    away = generations(pair, "site-b")
    assert all(away[name] >= before[name] for name in VMS)

    pair.openstack("dr", "failback", "prod", "--reverse-replication", *BACK, "--wait")
    assert (servers(pair, "site-a"), servers(pair, "site-b")) == (running(VMS), [])
    home = generations(pair, "site-a")
    assert all(home[name] >= away[name] for name in VMS)
    assert pair.openstack("dr", "protection-group", "show", "prod", "-f", "json")["status"] == "active"


@pytest.mark.parametrize("step", ["stop_source_instances", "manage_volumes_cinder", "recreate_instances"])
def test_an_engine_killed_on_the_way_is_replaced_and_nothing_is_made_twice(pair: Pair, step: str) -> None:
    """kill -9 in the middle of a failover: another engine goes on; three servers and five volumes in the end, no more, no less."""
    pair.control("POST", "/latency", {"boot": 2.0, "stop": 1.0, "manage": 1.0})
    id = pair.openstack("dr", "failover", "prod", *THERE, "-f", "json")["operation_id"]
    log = pair.sites["site-a"].state / "engine.log"
    wait_for(step, 60, lambda: f"{id} step={step}" in log.read_text())
    pair.sites["site-a"].kill("engine")
    pair.sites["site-a"].start("engine")
    wait_for("the end", 120, lambda: operation(pair, id)["status"] in ("completed", "failed"))
    record = operation(pair, id)
    assert record["status"] == "completed", record
    assert (servers(pair, "site-a"), servers(pair, "site-b")) == ([], running(VMS))
    assert len(volumes(pair, "site-b")) == 5


def test_the_first_site_dies_and_the_group_lives_on(pair: Pair) -> None:
    """Unplanned failover from site-b alone: the recovery point is stated, and the lost site's state is owned up to."""
    pair.openstack("dr", "protection-group", "action", "prod", "--action", "sync-volumes", "--wait")
    pair.control("POST", "/sites/site-a/down")
    pair.sites["site-a"].stop()
    moved = pair.openstack("dr", "failover", "prod", "--type", "unplanned", *THERE, "--wait", "-f", "json")
    assert moved["status"] == "completed"
    assert servers(pair, "site-b") == running(VMS)
    group = pair.openstack("dr", "protection-group", "show", "prod", "-f", "json", cloud="site-b")
    assert (group["status"], group["remote_sync_status"]) == ("failed_over", "UNREACHABLE")
    record = pair.openstack("dr", "operation", "show", moved["operation_id"], "-f", "json", cloud="site-b")
    assert record["recovery_point_at"]


def test_a_failure_on_the_way_is_taken_back(pair: Pair) -> None:
    """Nova cannot build one of three VMs: the move is undone, the VMs run where they ran, and the record says why."""
    pair.control("POST", "/clouds/site-b/builds/fail", {"count": 9, "message": "No valid host was found."})
    pair.openstack("dr", "failover", "prod", *THERE, "--wait", code=1)
    assert (servers(pair, "site-a"), servers(pair, "site-b")) == (running(VMS), [])
    assert volumes(pair, "site-b") == []
    (record,) = [
        o for o in pair.openstack("dr", "operation", "list", "-f", "json") if o["operation_type"] == "failover"
    ]
    shown = operation(pair, record["id"])
    assert shown["status"] == "failed"
    assert "No valid host" in shown["error_message"]
    assert "volumes_quarantined" not in (shown["result_data"] or {}), "no guest has run: there is nothing to keep"
    assert pair.openstack("dr", "protection-group", "show", "prod", "-f", "json")["status"] == "active"
