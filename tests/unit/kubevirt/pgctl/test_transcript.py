"""The documented lines of the two scripts, word for word."""

import pytest

from siterecovery.kubevirt.domain import refusals
from unit.kubevirt.pgctl.ground import BEGUN, CHECKED, SUCCEEDED, Ground, ago, steps

CRD = ("failover", "pg-a", "--to", "cluster2", "--transcript", "crd")
DIRECT = ("failover", "pg-b", "--to", "cluster2", "--transcript", "direct")


@pytest.fixture
def ground(tmp_path):
    made = Ground(tmp_path)
    made.group("pg-a")
    made.group("pg-b")
    return made


def test_scenario_1(ground):
    """A failover that succeeds prints the seven documented lines."""
    ground.meanwhile(ground.says(BEGUN), ground.says(SUCCEEDED))

    result = ground.run(*CRD)

    assert result.output.splitlines() == [
        "[INFO] Validating authentication...",
        "[INFO] Detecting VM locations for pg-a...",
        "[INFO] Creating Failover CR: failover-pg-a-1730404800",
        "[INFO] Monitoring Failover CR status...",
        "[INFO] Phase: Running",
        "[INFO] Phase: Succeeded",
        "[SUCCESS] Failover of pg-a to cluster2 completed successfully",
    ]
    assert result.exit_code == 0


@pytest.mark.parametrize("first", [{"phase": "Running", "startedAt": ago()}, BEGUN | {"steps": steps(*CHECKED[:1])}])
def test_scenario_2(ground, first):
    """A failover that is refused for its lock prints the three documented lines only, and ends with 4."""
    refused = {"phase": "Failed", "message": refusals.lock_held("pg-a", "failover-controller-12345")}
    ground.meanwhile(ground.says(first), ground.says(first | refused))

    result = ground.run(*CRD)

    assert result.output.splitlines() == [
        "[ERROR] Failed to acquire failover lock for pg-a",
        "Failover lock is held by: failover-controller-12345",
        "[ERROR] Failover aborted — another failover is already in progress for this Protection Group",
    ]
    assert result.exit_code == 4


def test_scenario_3(ground):
    """A failover that would endanger another group prints the documented check, and ends with 5."""
    ground.meanwhile(ground.says({"phase": "Failed", "message": refusals.unsafe("cluster2", ["pg-a"])}))

    result = ground.run(*DIRECT)

    assert result.output.splitlines() == [
        "⚠ SAFETY CHECK: Other Protection Groups have running VMs on cluster2:",
        "    - pg-a",
        "UNSAFE to remove taints on cluster2 - other Protection Groups have running VMs",
        "This could cause scheduling issues for those VMs",
        "To override this safety check, use --force flag (NOT RECOMMENDED)",
        "[ERROR] Failover aborted",
    ]
    assert result.exit_code == 5


def test_scenario_4(ground):
    """A forced failover prints the six documented lines."""
    ground.meanwhile(ground.says(BEGUN), ground.says(SUCCEEDED))

    result = ground.run(*DIRECT, "--force")

    assert result.output.splitlines() == [
        "⚠️  WARNING: Force mode enabled - safety checks bypassed",
        "⚠️  Using --force can disrupt other Protection Groups",
        "[INFO] Removing quorum taints on cluster2 (force mode)...",
        "[INFO] Phase: Running",
        "[INFO] Phase: Succeeded",
        "[SUCCESS] Failover of pg-b to cluster2 completed (force mode)",
    ]
    assert ground.made()[0]["spec"]["force"] is True


def test_a_failover_that_is_over_at_the_first_look(ground):
    """However quick it was, Running is said before Succeeded, and Pending never."""
    ground.meanwhile(ground.says(SUCCEEDED))
    phases = [line for line in ground.run(*CRD).output.splitlines() if "Phase:" in line]
    assert phases == ["[INFO] Phase: Running", "[INFO] Phase: Succeeded"]


def test_any_other_failure_is_told_with_its_words(ground):
    """What fails on the way ends with [ERROR] and the Failover's message, after all that was said before."""
    ground.meanwhile(ground.says(BEGUN), ground.says(BEGUN | {"phase": "Failed", "message": "VM vm1 does not stop"}))

    result = ground.run(*CRD)

    assert result.output.splitlines()[-3:] == [
        "[INFO] Phase: Running",
        "[INFO] Phase: Failed",
        "[ERROR] Failover of pg-a to cluster2 failed: VM vm1 does not stop",
    ]
    assert result.exit_code == 1


def test_what_fails_before_the_failover_is_told_in_the_same_form(ground):
    """An error of the command itself is an [ERROR] line after the lines of what was tried."""
    ground.down(ground.quorum)

    result = ground.run(*CRD)

    lines = result.stdout.splitlines()
    assert lines[:2] == ["[INFO] Validating authentication...", "[INFO] Detecting VM locations for pg-a..."]
    assert lines[2].startswith("[ERROR] quorum: no route to host")
    assert result.exit_code == 3


def test_nobody_waits_in_silence(ground):
    """A controller that takes its time does not keep the lines back for ever."""
    ground.meanwhile(*[ground.says({"phase": "Pending"})] * 40, ground.says(SUCCEEDED))
    seen = []
    ground.clock.deeds.insert(30, lambda: seen.append(ground.clock.passed))
    lines = ground.run(*CRD).output.splitlines()
    assert lines[0] == "[INFO] Validating authentication..."
    assert seen[0] > 10
