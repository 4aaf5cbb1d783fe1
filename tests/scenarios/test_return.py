"""One operator's story: the first site dies, the second one takes over alone, and the first one comes back as if nothing had happened."""

from typing import Any

import pytest

from support.site_pair import BACK, THERE, Pair, wait_for

VMS = ["db-server", "web-server-1", "web-server-2"]


def servers(pair: Pair, site: str, status: str) -> list[str]:
    found = pair.openstack("server", "list", "--status", status, "-f", "json", cloud=site)
    return sorted(server["Name"] for server in found)


def group(pair: Pair, site: str) -> dict[str, Any]:
    found: dict[str, Any] = pair.openstack("dr", "protection-group", "show", "prod", "-f", "json", cloud=site)
    return found


def writing(pair: Pair, site: str) -> dict[str, int]:
    """Generations of the guests that run there."""
    return {guest["name"]: guest["generation"] for guest in pair.control("GET", "/guests")[site] if guest["running"]}


@pytest.mark.timeout(600)
def test_a_dead_site_returns_and_steps_down_by_itself(pair: Pair) -> None:
    """Its hosts start its VMs again; its Protector asks before it starts anything, stops and locks them, and shows the truth; then home again."""
    pair.openstack("dr", "protection-group", "action", "prod", "--action", "sync-volumes", "--wait")
    for name in ("engine", "api"):
        pair.sites["site-a"].kill(name)
    pair.control("POST", "/sites/site-a/down")
    pair.openstack("dr", "failover", "prod", "--type", "unplanned", *THERE, "--wait")

    pair.control("POST", "/sites/site-a/up")
    assert sorted(writing(pair, "site-a")) == sorted(writing(pair, "site-b")) == VMS, (
        "two copies run until it has asked"
    )
    pair.sites["site-a"].start()
    pair.answers("site-a")
    wait_for("the old copies' end", 60, lambda: not writing(pair, "site-a"))
    assert servers(pair, "site-a", "SHUTOFF") == VMS
    pair.openstack("server", "start", "db-server", code=1, cloud="site-a-operator")  # locked: its owner cannot
    assert not writing(pair, "site-a")

    for site in pair.sites:
        shown = group(pair, site)
        assert (shown["status"], shown["current_primary_site"]) == ("failed_over", "site-b"), shown
    pair.openstack("dr", "protection-group", "sync-force", "prod", cloud="site-b")
    wait_for("SYNCED", 60, lambda: group(pair, "site-b")["remote_sync_status"] == "SYNCED")

    away = writing(pair, "site-b")
    pair.openstack("dr", "failback", "prod", "--reverse-replication", *BACK, "--wait")
    home = writing(pair, "site-a")
    assert sorted(home) == VMS
    assert all(home[name] >= away[name] for name in VMS)
    assert not writing(pair, "site-b")
    for site in pair.sites:
        shown = group(pair, site)
        assert (shown["status"], shown["current_primary_site"]) == ("active", "site-a"), shown
