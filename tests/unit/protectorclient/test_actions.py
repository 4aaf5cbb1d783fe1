"""`failover`, `failback`, `test-failover`, `test-cleanup`, `action`, `reset`, `sync-force`, with and without --wait."""

import functools
import itertools

import pytest

from protectorclient.osc import base, routing
from protectorclient.v1.waiting import Pace
from unit.protectorclient.fake_site import Body, FakeSite, Refusal, refusal
from unit.protectorclient.harness import Openstack

DONE = {"status": "completed", "progress": 100, "current_step": None, "completed_at": "2025-06-01T10:07:43Z"}
STEPS = [
    {"progress": 10, "current_step": "stop_source_instances"},
    {"progress": 10, "current_step": "stop_source_instances"},
    {"progress": 55, "current_step": "promote_volumes"},
    DONE,
]


def moved(*sites: FakeSite) -> None:
    """The group has been failed over to site-b."""
    for site in sites:
        site.groups[0].update(status="failed_over", current_primary_site="site-b", failover_epoch=2)


def test_planned_failover(openstack: Openstack, site_a: FakeSite, site_b: FakeSite, web: Body) -> None:
    """It returns at once with the documented four fields; the mappings went to the site where the group is active."""
    result = openstack(
        "dr failover prod-web-app --type planned --network-mapping net-primary-web=net-secondary-web"
        " --network-mapping net-primary-db=net-secondary-db --flavor-mapping m1.large=m2.large"
    )
    assert (result.code, result.err) == (0, "")
    assert [row[0] for row in result.rows] == ["Field", "operation_id", "operation_type", "status", "progress"]
    assert (result.fields["operation_type"], result.fields["status"], result.fields["progress"]) == (
        "failover",
        "running",
        "0",
    )
    networks = {"net-primary-web": "net-secondary-web", "net-primary-db": "net-secondary-db"}
    assert site_a.sent("POST", "/action")[0].body == {
        "failover": {"network_mapping": networks, "flavor_mapping": {"m1.large": "m2.large"}, "force": False}
    }
    assert site_b.sent("POST", "/action") == []
    assert site_a.delegation is not None
    assert site_b.delegation is not None


def test_requests_name_version_and_agent(openstack: Openstack, site_a: FakeSite, web: Body) -> None:
    """Every call says the microversion and who is asking."""
    openstack("dr protection-group list")
    headers = site_a.seen[-1].headers
    assert headers["OpenStack-API-Version"] == "protector 1.2"
    assert headers["User-Agent"] == "python-protectorclient/0.1.0"
    openstack("dr protection-group list", PROTECTOR_API_VERSION="1.1")
    assert site_a.seen[-1].headers["OpenStack-API-Version"] == "protector 1.1"
    openstack("--os-protector-api-version 1.0 dr protection-group list")
    assert site_a.seen[-1].headers["OpenStack-API-Version"] == "protector 1.0"
    assert openstack("dr protection-group list", PROTECTOR_API_VERSION="7").code == 1


def test_wait_until_completed(openstack: Openstack, site_a: FakeSite, web: Body) -> None:
    """--wait tells each change of progress once and exits with 0 when the operation is completed."""
    site_a.readings["next operation"] = [{}, *STEPS]
    result = openstack("protector protection-group failover prod-web-app --wait")
    assert result.code == 0
    assert (result.fields["status"], result.fields["progress"]) == ("completed", "100")
    assert result.err.splitlines() == [
        "  0% running",
        " 10% running stop_source_instances",
        " 55% running promote_volumes",
        "100% completed",
    ]


def test_wait_on_a_terminal(openstack: Openstack, site_a: FakeSite, web: Body) -> None:
    """On a terminal one line is redrawn: a bar, the step and the time left."""
    site_a.readings["next operation"] = [{}, *STEPS]
    result = openstack("dr failover prod-web-app --wait", tty=True)
    assert result.code == 0
    assert result.err.count("\n") == 1
    assert "[#############-----------]  55%  running  promote_volumes  about" in result.err


def test_wait_until_failed(openstack: Openstack, site_a: FakeSite, web: Body) -> None:
    """A failed operation is exit code 1 with its message, and the record is printed all the same."""
    site_a.readings["next operation"] = [
        {},
        {"status": "rolling_back"},
        {"status": "failed", "error_message": "Volume manage failed: x"},
    ]
    result = openstack("dr failover prod-web-app --wait")
    assert result.code == 1
    assert "Volume manage failed: x" in result.err
    assert result.fields["status"] == "failed"


def test_wait_survives_silence(openstack: Openstack, site_a: FakeSite, web: Body) -> None:
    """An API that goes away for a while does not end the waiting."""
    site_a.readings["next operation"] = [{}, *STEPS]
    site_a.silent_reads = 3
    result = openstack("dr failover prod-web-app --wait")
    assert result.code == 0
    assert "No answer, still trying" in result.err


def test_wait_gives_up(openstack: Openstack, site_a: FakeSite, web: Body, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --timeout the waiting ends with 1 and says that the operation goes on; a bad value is refused unsent."""
    seconds = itertools.count()
    monkeypatch.setattr(base, "Pace", functools.partial(Pace, clock=lambda: next(seconds)))
    result = openstack("dr failover prod-web-app --wait --timeout 60")
    assert result.code == 1
    assert "was not over after 60 s; it goes on without being watched" in result.err
    assert openstack("dr failover prod-web-app --wait --timeout soon").code == 1
    assert len(site_a.sent("POST", "/action")) == 1


def test_unplanned_failover_with_a_dead_primary(
    openstack: Openstack, site_a: FakeSite, site_b: FakeSite, web: Body
) -> None:
    """It goes to the target with the target's credentials only, and states the recovery point and what may run twice."""
    site_a.stop()
    point = {"recovery_point_at": "2025-06-01T09:58:00Z", "warnings": ["web-server-1 may still run on site-a"]}
    site_b.readings["next operation"] = [{}, point]
    result = openstack("dr failover prod-web-app --type unplanned --network-mapping a=b")
    assert result.code == 0
    assert site_b.sent("POST", "/action")[0].body == {"failover": {"network_mapping": {"a": "b"}, "force": True}}
    assert "Recovery point: 2025-06-01T09:58:00Z (" in result.err
    assert " d " in result.err
    assert "Warning: web-server-1 may still run on site-a" in result.err
    assert site_b.delegation is not None


def test_unplanned_failover_with_a_primary_that_hangs(
    openstack: Openstack, site_a: FakeSite, site_b: FakeSite, web: Body, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A primary that accepts connections and never answers is not waited for once the target has answered."""
    monkeypatch.setattr(routing, "PATIENCE", 0.05)
    site_a.hang.clear()
    assert openstack("dr failover prod-web-app --type unplanned").code == 0
    assert len(site_b.sent("POST", "/action")) == 1


def test_unplanned_failover_with_a_dead_target(openstack: Openstack, site_b: FakeSite, web: Body) -> None:
    """The target must work: exit code 3, saying why."""
    site_b.stop()
    result = openstack("dr failover prod-web-app --type unplanned")
    assert result.code == 3
    assert "cloud 'site-b' cannot be reached: connection refused" in result.err
    assert "needs the site that it moves to" in result.err


def test_unplanned_failover_of_what_is_missing(
    openstack: Openstack, site_a: FakeSite, site_b: FakeSite, web: Body
) -> None:
    """In failed_over_partial the missing members are retried where the group is."""
    moved(site_a, site_b)
    site_b.groups[0]["status"] = site_a.groups[0]["status"] = "failed_over_partial"
    assert openstack("dr failover prod-web-app --type unplanned").code == 0
    assert len(site_b.sent("POST", "/action")) == 1


def test_unplanned_failover_without_the_primary_cloud(openstack: Openstack, site_b: FakeSite, web: Body) -> None:
    """--os-cloud may be left out: the credentials of the target are enough."""
    assert openstack("dr failover prod-web-app --force", OS_CLOUD=None).code == 0
    assert len(site_b.sent("POST", "/action")) == 1


def test_unplanned_goes_to_the_target_also_with_both_up(
    openstack: Openstack, site_a: FakeSite, site_b: FakeSite, web: Body
) -> None:
    """Both sites up: an unplanned failover is still the target's to run."""
    assert openstack("dr failover prod-web-app --type unplanned").code == 0
    assert (len(site_a.sent("POST", "/action")), len(site_b.sent("POST", "/action"))) == (0, 1)


def test_unplanned_after_a_failover_moves_nothing(
    openstack: Openstack, site_a: FakeSite, site_b: FakeSite, web: Body
) -> None:
    """Repeated where the group already is, it is that site's to refuse or complete; a stale record does not count."""
    moved(site_b)
    site_b.refuse("POST", "/action", refusal(409, "state", "The group is failed over already"))
    assert openstack("dr failover prod-web-app --type unplanned").code == 4
    assert site_a.sent("POST", "/action") == []


def test_planned_failover_with_a_dead_primary(
    openstack: Openstack, site_a: FakeSite, site_b: FakeSite, web: Body
) -> None:
    """A planned one needs the active site: exit code 3, nothing sent, and the way out is named."""
    site_a.stop()
    result = openstack("dr failover prod-web-app --type planned")
    assert result.code == 3
    assert "--type unplanned" in result.err
    assert site_b.sent("POST", "/action") == []


def test_failback(openstack: Openstack, site_a: FakeSite, site_b: FakeSite, web: Body) -> None:
    """A planned failback goes to the site where the group is active now; a forced one to the other."""
    moved(site_a, site_b)
    assert openstack("dr failback prod-web-app --type planned --reverse-replication --network-mapping b=a").code == 0
    assert site_b.sent("POST", "/action")[0].body == {
        "failback": {"network_mapping": {"b": "a"}, "force": False, "reverse_replication": True}
    }
    site_b.stop()
    assert openstack("protector protection-group failback prod-web-app --type unplanned").code == 0
    assert site_a.sent("POST", "/action")[0].body == {"failback": {"force": True, "reverse_replication": False}}


def test_one_cloud_is_not_enough(openstack: Openstack, site_a: FakeSite, web: Body) -> None:
    """A planned move without the secondary credentials is refused by us, naming the flag."""
    result = openstack("dr failover prod-web-app", OS_SECONDARY_CLOUD=None)
    assert result.code == 1
    assert "--secondary-cloud" in result.err
    assert site_a.sent("POST", "/action") == []


def test_test_failover_and_cleanup(openstack: Openstack, site_a: FakeSite, web: Body) -> None:
    """A drill leaves the primary alone by default, and is cleaned up by either spelling."""
    assert openstack("dr test-failover prod-web-app --network-mapping a=b").fields["operation_type"] == "test_failover"
    assert openstack("protector protection-group test-failover prod-web-app --no-retain-primary").code == 0
    checks = "--health-check type=tcp,port=22,timeout=60 --health-check type=console,pattern=login:"
    assert openstack("dr test-failover prod-web-app", *checks.split()).code == 0
    assert openstack("dr test-failover prod-web-app --health-check type=tcp,port=ssh").code == 1
    assert openstack("dr test-cleanup prod-web-app").fields["operation_type"] == "test_cleanup"
    line = "protector protection-group action prod-web-app --action test-cleanup --test-operation-id op-1"
    assert openstack(line).fields["operation_type"] == "test_cleanup"
    assert [item.body for item in site_a.sent("POST", "/action")] == [
        {"test_failover": {"network_mapping": {"a": "b"}, "retain_primary": True}},
        {"test_failover": {"retain_primary": False}},
        {
            "test_failover": {
                "retain_primary": True,
                "health_checks": [
                    {"type": "tcp", "port": 22, "timeout": 60},
                    {"type": "console", "pattern": "login:"},
                ],
            }
        },
        {"test_cleanup": {}},
        {"test_cleanup": {"test_operation_id": "op-1"}},
    ]


def test_action_by_name(openstack: Openstack, site_a: FakeSite, web: Body) -> None:
    """Every action can be started by its name, with only the keys it takes; an unknown one is exit code 1."""
    assert openstack("dr protection-group action prod-web-app --action sync-volumes").code == 0
    assert (
        openstack("dr protection-group action prod-web-app --action failover --allow-hard-stop --ip-policy keep").code
        == 0
    )
    assert openstack("dr protection-group reset prod-web-app --status active").code == 0
    assert [item.body for item in site_a.sent("POST", "/action")] == [
        {"sync_volumes": {}},
        {"failover": {"ip_policy": "keep", "force": False, "allow_hard_stop": True}},
        {"reset": {"status": "active"}},
    ]
    result = openstack("dr protection-group action prod-web-app --action explode")
    assert result.code == 1
    assert "sync-volumes" in result.err


def test_sync_force(openstack: Openstack, site_a: FakeSite, site_b: FakeSite, web: Body) -> None:
    """It is sent to the site where the newer record says that the group is active."""
    moved(site_b)
    assert openstack("protector protection-group sync-force prod-web-app").code == 0
    assert site_b.sent("POST", "/sync")[0].body == {"force": True}
    assert site_a.sent("POST", "/sync") == []


@pytest.mark.parametrize("pair", ["a", "a=", "=b"])
def test_bad_mappings(openstack: Openstack, site_a: FakeSite, web: Body, pair: str) -> None:
    """A mapping that is no pair is exit code 1 before anything is sent."""
    assert openstack("dr failover prod-web-app --network-mapping", pair).code == 1
    assert openstack("dr failover prod-web-app --network-mapping a=b --network-mapping a=c").code == 1
    assert site_a.seen == []


def unresolved() -> object:
    """A 412 that names a network and a flavor without a counterpart."""
    error = refusal(
        412,
        "mapping.network_unresolved",
        "Network net-db has no counterpart",
        resource="net-db",
        remedy="--network-mapping",
    )
    error.entries += (
        {"code": "mapping.flavor_unresolved", "detail": "Flavor m1.large has none", "resource": "m1.large"},
    )
    return error


def test_prompts_for_mappings(openstack: Openstack, site_a: FakeSite, web: Body) -> None:
    """On a terminal each unresolved mapping is asked for, and the answers are sent with what was given."""
    site_a.refuse("POST", "/action", unresolved())  # type: ignore[arg-type]
    result = openstack("dr failover prod-web-app --network-mapping a=b", stdin="net-secondary-db\nm2.large\n", tty=True)
    assert result.code == 0
    assert "Target network for source network 'net-db': " in result.err
    assert site_a.sent("POST", "/action")[1].body["failover"] == {
        "network_mapping": {"a": "b", "net-db": "net-secondary-db"},
        "flavor_mapping": {"m1.large": "m2.large"},
        "force": False,
    }


def test_no_prompt_without_a_terminal(openstack: Openstack, site_a: FakeSite, web: Body) -> None:
    """Without a terminal the 412 stands with its remedy; on one, an empty answer keeps it too."""
    site_a.refuse("POST", "/action", unresolved())  # type: ignore[arg-type]
    result = openstack("dr failover prod-web-app")
    assert result.code == 5
    assert "--network-mapping" in result.err
    site_a.refuse("POST", "/action", unresolved())  # type: ignore[arg-type]
    assert openstack("dr failover prod-web-app", stdin="\n", tty=True).code == 5


def test_a_delegation_that_cannot_be_made(openstack: Openstack, site_a: FakeSite, web: Body) -> None:
    """Where the trust may not be created the server decides whether one is needed: a note, not an end."""
    site_a.refuse("PUT", "/delegation", refusal(403, "forbidden", "Application credentials may not create trusts"))
    result = openstack("dr failover prod-web-app")
    assert result.code == 0
    assert "Note: no delegation was made on cloud 'site-a': Application credentials" in result.err


def test_a_broken_delegation_is_made_again(openstack: Openstack, site_a: FakeSite, web: Body) -> None:
    """A trust that died is replaced, a living one is left alone."""
    site_a.delegation = {"status": "broken"}
    openstack("dr failover prod-web-app")
    openstack("dr failover prod-web-app")
    assert len(site_a.sent("PUT", "/delegation")) == 1


def test_looking_and_cleaning_up_with_a_dead_primary(
    openstack: Openstack, site_a: FakeSite, site_b: FakeSite, web: Body
) -> None:
    """While the active site is lost, the other one is looked at with a note, and a drill can be cleaned up there."""
    site_a.stop()
    for line in ("show prod-web-app", "sync-status prod-web-app"):
        assert openstack(f"dr protection-group {line}").code == 0
    assert "Note: cloud 'site-a' cannot be reached" in openstack("dr member list prod-web-app").err
    assert openstack("dr policy show prod-web-app").code == 3
    assert openstack("dr test-cleanup prod-web-app").code == 0
    assert len(site_b.sent("POST", "/action")) == 1


def test_a_dead_protector_behind_a_load_balancer(
    openstack: Openstack, site_a: FakeSite, site_b: FakeSite, web: Body
) -> None:
    """A proxy's 502 means what no answer means: the other site is looked at, and a command that needs this one says which is dead."""
    for _ in range(20):
        site_a.refuse("GET", "", Refusal(502))
    listed = openstack("dr member list prod-web-app")
    assert listed.code == 0
    assert "Note: protector-api of cloud 'site-a' cannot be reached" in listed.err
    shown = openstack("dr site list")
    assert shown.code == 3
    assert "502" in shown.err
    assert openstack("dr failover prod-web-app --type unplanned").code == 0
    assert len(site_b.sent("POST", "/action")) == 1
