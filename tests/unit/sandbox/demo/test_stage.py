"""The demo's shell: what is shown is what is run."""

import pytest

from sandbox.demo.follow import CommandFailed
from sandbox.demo.screen import broken
from sandbox.demo.stage import field
from sandbox.demo.story import recovery_point

TABLE = """\
+--------------+-----------------------------------------+
| Field        | Value                                   |
+--------------+-----------------------------------------+
| operation_id | 35801018-caf3                           |
| result_data  | {"volumes_managed": 5,                  |
|              | "recovery_point_at":                    |
|              | "2026-11-21T15:43:54.746Z", "notes": [] |
|              | }                                       |
+--------------+-----------------------------------------+
"""


def test_values_are_read_from_the_table_that_is_shown() -> None:
    """A value is found by its name, and one that is not there is an error, not a guess."""
    assert field(TABLE, "operation_id") == "35801018-caf3"
    with pytest.raises(CommandFailed, match="no row status"):
        field(TABLE, "status")


def test_the_recovery_point_is_found_across_lines() -> None:
    """A table that breaks its value over lines hides nothing; a record that states no point is an error."""
    assert recovery_point(TABLE).isoformat() == "2026-11-21T15:43:54.746000+00:00"
    with pytest.raises(CommandFailed, match="no recovery point"):
        recovery_point("| result_data | {} |")


def test_a_long_command_can_be_pasted_into_a_shell() -> None:
    """It is broken before an option with a backslash, and is the same words again when joined."""
    command = "openstack dr failover prod " + " ".join(f"--network-mapping net-a-{n}=net-b-{n}" for n in range(6))
    shown = broken(command)
    assert shown.count("\\\n") >= 1
    assert shown.replace("\\\n", " ").split() == command.split()
