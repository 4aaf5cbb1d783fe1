"""Tables and ages."""

import datetime

import pytest
from click.testing import CliRunner

from siterecovery.kubevirt.pgctl import printing
from siterecovery.kubevirt.pgctl.main import pgctl
from unit.kubevirt.pgctl.ground import NOW


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0s"),
        (0, "0s"),
        (59, "59s"),
        (90, "90s"),
        (120, "2m"),
        (330, "5m30s"),
        (1800, "30m"),
        (3600, "1h"),
        (7500, "125m"),
        (19200, "5h20m"),
        (108000, "30h"),
        (172800, "2d"),
        (273600, "3d4h"),
        (432000, "5d"),
        (3456000, "40d"),
        (63072000, "2y"),
    ],
)
def test_ages(seconds, text):
    """An age has the precision that matters, never a sign."""
    assert printing.duration(seconds) == text


def test_unknown_ages():
    """What has no time has no age."""
    assert printing.age(None, NOW) == "-"
    assert printing.age("2024-10-31T19:58:00Z", NOW) == "2m"
    assert printing.age("2024-10-31T19:58:00Z", NOW - datetime.timedelta(hours=1)) == "0s"


def test_tables_are_neither_cut_nor_wrapped():
    """A column is as wide as its longest entry, empty ones are dashes, and line breaks do not break rows."""
    assert printing.table(("A", "B", "C"), [("x" * 200, None, "two\nlines"), ("y", "", 0)]).splitlines() == [
        "A" + " " * 201 + "B  C",
        "x" * 200 + "  -  two lines",
        "y" + " " * 201 + "-  0",
    ]


def test_every_command_explains_itself():
    """Each command and subcommand has a sentence and answers --help."""

    def commands(command, path=()):
        yield path, command
        for name, child in getattr(command, "commands", {}).items():
            yield from commands(child, (*path, name))

    for path, command in commands(pgctl):
        assert command.help, path
        assert CliRunner().invoke(pgctl, [*path, "--help"]).exit_code == 0
