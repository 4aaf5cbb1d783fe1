"""The demo's comparisons: each must be able to say no, and say for what."""

import dataclasses
import io
from datetime import UTC, datetime

import pytest

from sandbox.demo import verdicts
from sandbox.demo.movement import Movement
from sandbox.demo.screen import Screen
from sandbox.demo.verdicts import VMS, VOLUMES
from sandbox.demo.witness import Held, Sample

ALL = frozenset(VMS)
NOBODY: frozenset[str] = frozenset()


def held(site: str, generation: int) -> dict[str, Held]:
    return {name: Held(f"{name}@{site}", generation) for name in VOLUMES}


def sample(time: float, here: int | None, there: int | None, *, runs: str | None) -> Sample:
    """All five volumes at one generation on site-a and site-b (None: none there), all VMs running on the site `runs`."""
    volumes = {
        "site-a": held("site-a", here) if here is not None else {},
        "site-b": held("site-b", there) if there is not None else {},
    }
    running = {site: ALL if site == runs else NOBODY for site in volumes}
    return Sample(time, volumes, running, running)


GOOD = (
    sample(100.0, 40, None, runs="site-a"),
    sample(101.0, 50, None, runs="site-a"),
    sample(102.0, 52, None, runs=None),
    sample(103.0, 52, 52, runs=None),
    sample(107.0, None, 55, runs="site-b"),
)


def judged(*samples: Sample) -> Screen:
    screen = Screen(io.StringIO())
    verdicts.planned(screen, "away", Movement(samples, "site-a", "site-b", samples))
    return screen


def text_of(screen: Screen) -> str:
    assert isinstance(screen.stream, io.StringIO)
    return screen.stream.getvalue()


def test_a_good_move_holds_and_says_how_long_it_took() -> None:
    """Four claims about a planned move hold, and the pause is from the last sign of life to the first."""
    screen = Screen(io.StringIO())
    outcome = verdicts.planned(screen, "away", Movement(GOOD, "site-a", "site-b", GOOD))
    assert (len(screen.verdicts), screen.failed) == (4, [])
    assert (outcome.silence, outcome.lost) == ("6.0 s", "nothing")
    assert "write 52" in text_of(screen)


def test_a_write_that_is_missing_is_named() -> None:
    """One volume that came out one write older than it went in breaks the claim, though its VM has written more since."""
    stale = {**GOOD[3].volumes["site-b"], "vol-data-db": Held("vol-data-db@site-b", 51)}
    samples = list(GOOD)
    samples[3] = dataclasses.replace(GOOD[3], volumes={**GOOD[3].volumes, "site-b": stale})
    (failed,) = judged(*samples).failed
    assert failed == "no write was lost on any volume: not so for vol-data-db"


def test_a_volume_that_never_came_is_lost() -> None:
    """A volume that is not on the target at all is no equal of zero."""
    without = {name: volume for name, volume in GOOD[3].volumes["site-b"].items() if name != "vol-boot-ws2"}
    samples = [
        dataclasses.replace(s, volumes={**s.volumes, "site-b": without}) if s.volumes["site-b"] else s for s in GOOD
    ]
    screen = judged(*samples)
    assert "vol-boot-ws2" in screen.failed[0]
    assert "missing" in text_of(screen)


def test_a_vm_that_is_missing_or_runs_twice_is_named() -> None:
    """A VM that does not run on the target, one that runs on both, and one that stayed behind each break their claim."""
    both = dataclasses.replace(GOOD[1], running={"site-a": ALL, "site-b": frozenset({"db-server"})})
    last = dataclasses.replace(GOOD[4], running={"site-a": NOBODY, "site-b": ALL - {"web-server-1"}})
    left = dataclasses.replace(last, present={"site-a": frozenset({"web-server-2"}), "site-b": ALL})
    failed = judged(GOOD[0], both, *GOOD[2:4], left).failed
    assert [text.rpartition(" ")[2] for text in failed] == ["web-server-1", "db-server", "web-server-2"]


def test_a_forced_move_is_held_to_its_recovery_point() -> None:
    """What was written until the stated point must be there, also when the point is older than the move; what is lost is counted."""
    before = sample(90.0, 30, None, runs="site-a")
    history = (before, *GOOD[:3], sample(103.0, 52, 31, runs=None), sample(107.0, 52, 33, runs="site-b"))
    for point, fine in ((95.0, True), (100.5, False)):
        screen = Screen(io.StringIO())
        move = Movement(history[1:], "site-a", "site-b", history)
        outcome = verdicts.forced(screen, "lost", move, datetime.fromtimestamp(point, UTC))
        assert (screen.failed == []) is fine
        assert outcome.lost.startswith("21 writes of each VM")


def test_a_recovery_point_nobody_saw_proves_nothing() -> None:
    """With no sample before the point there is nothing to compare with, and the claim does not hold."""
    screen = Screen(io.StringIO())
    history = (*GOOD[:4], sample(107.0, 52, 55, runs="site-b"))
    verdicts.forced(screen, "lost", Movement(history, "site-a", "site-b", history), datetime.fromtimestamp(50.0, UTC))
    assert "everything written until" in screen.failed[0]


def test_disks_of_different_moments_are_told() -> None:
    """A VM whose two disks come from different moments would not be crash-consistent."""
    torn = {**GOOD[3].volumes["site-b"], "vol-boot-ws1": Held("vol-boot-ws1@site-b", 60)}
    history = (*GOOD[:3], dataclasses.replace(GOOD[3], volumes={**GOOD[3].volumes, "site-b": torn}), GOOD[4])
    screen = Screen(io.StringIO())
    verdicts.forced(screen, "lost", Movement(history, "site-a", "site-b", history), datetime.fromtimestamp(101.0, UTC))
    assert "the disks of each VM are of one and the same moment: not so for web-server-1" in screen.failed


def test_a_site_that_is_down_runs_nothing() -> None:
    """The simulator keeps a lost site's guests as they are; nobody could reach them."""
    cloud = {
        "servers": [{"name": "db-server", "guest": {"running": True}}, {"name": "new", "guest": None}],
        "volumes": [{"name": "v", "id": "1", "generation": 3}, {"name": "w", "id": "2", "generation": None}],
    }
    for down, running in (([], {"db-server"}), (["site-a"], set())):
        seen = Sample.of({"time": 1.0, "down": down, "clouds": {"site-a": cloud}})
        assert seen.running["site-a"] == running
        assert seen.present["site-a"] == {"db-server", "new"}
        assert seen.volumes["site-a"] == {"v": Held("1", 3)}


@pytest.mark.parametrize("name", ["NO_COLOR", "TERM"])
def test_colours_are_for_terminals_that_want_them(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """On a terminal a heading is bold; in a file, with NO_COLOR or on a dumb terminal nothing but text is written."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert "\x1b[" in _heading(Terminal())
    assert "\x1b[" not in _heading(io.StringIO())
    monkeypatch.setenv(name, "dumb")
    assert "\x1b[" not in _heading(Terminal())


def _heading(stream: io.StringIO) -> str:
    Screen(stream, clock=lambda: 0.0).act("Title", "Why.")
    return stream.getvalue()
