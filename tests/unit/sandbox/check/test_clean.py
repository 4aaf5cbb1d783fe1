"""A world on which nothing went wrong, and what the checker says of what it cannot see."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from sandbox.check import INVARIANTS, CheckError, Places, check
from sandbox.check.cli import main

from .conftest import Story


def test_a_real_move_there_and_back_breaks_no_invariant(story: Story) -> None:
    """After a failover and a failback by the product itself all eight hold, and the report counts what was looked at."""
    report = story.check()
    assert report.findings == ()
    assert report.unseen == ()
    assert report.looked["groups"] == 1
    assert report.looked["servers"] == 2
    assert report.looked["volumes"] == 3
    assert report.text().count("holds") == len(INVARIANTS)


def test_a_site_that_is_down_is_looked_at_through_the_back_door(story: Story) -> None:
    """Its APIs and its array do not answer; the simulator's own dump is used instead, and the report says so."""
    story.control("POST", "/sites/site-b/down")
    try:
        report = story.check()
    finally:
        story.control("POST", "/sites/site-b/up")
    assert report.findings == ()
    assert report.looked["of them through the simulator's back door"] == 2
    assert report.looked["volumes"] == 3


def test_both_doors_show_the_same(story: Story) -> None:
    """What the simulator dumps is what the APIs tell, for the clouds and for the arrays."""
    front = story.picture()
    for site in front.sites:
        story.control("POST", f"/sites/{site}/down")
    try:
        back = story.picture()
    finally:
        for site in front.sites:
            story.control("POST", f"/sites/{site}/up")
    for site, seen in front.sites.items():
        dumped = dataclasses.replace(back.sites[site], backdoor=False)
        for field in dataclasses.fields(seen):
            one, other = getattr(seen, field.name), getattr(dumped, field.name)
            if isinstance(one, tuple):
                one, other = (sorted(it, key=lambda thing: thing.id) for it in (one, other))
            assert one == other, field.name
    for site, array in front.arrays.items():
        assert {v.id: v for v in array.volumes} == {v.id: v for v in back.arrays[site].volumes}
        assert {g.name: g for g in array.groups} == {g.name: g for g in back.arrays[site].groups}
        assert {s.name: s for s in array.snapshots} == {s.name: s for s in back.arrays[site].snapshots}


def test_a_database_that_cannot_be_read_is_named_and_not_called_fine(story: Story) -> None:
    """Without its URL, or without tables, a database stands under `unseen`."""
    places = story.places
    assert check(dataclasses.replace(places, databases={})).unseen == (
        "the Protector database of site-a: its URL is not known",
        "the Protector database of site-b: its URL is not known",
    )
    (empty,) = check(dataclasses.replace(places, databases={**places.databases, "site-a": "sqlite://"})).unseen
    assert "site-a has no" in empty
    missing = f"{story.state}/nowhere.sqlite"
    (absent,) = check(
        dataclasses.replace(places, databases={**places.databases, "site-a": f"sqlite:///{missing}"})
    ).unseen
    assert absent == f"the database of site-a is not there: {missing}"
    assert not Path(missing).exists()


def test_no_world_is_an_error_with_the_place_it_was_looked_for(tmp_path: Path) -> None:
    """A control port that does not answer, and a state directory without a world."""
    with pytest.raises(CheckError, match=r"does not answer at http://127\.0\.0\.1:9"):
        check(Places("http://127.0.0.1:9"))
    with pytest.raises(CheckError, match="there is no world"):
        Places.of_state(tmp_path)


@pytest.fixture
def state(story: Story, tmp_path: Path) -> Path:
    """A state directory as `sandbox up` leaves it."""
    (tmp_path / "world.json").write_text(json.dumps(story.world))
    for site, url in story.places.databases.items():
        (tmp_path / site).mkdir()
        (tmp_path / site / "protector.conf").write_text(f"[database]\nconnection = {url}\n")
    return tmp_path


def test_the_exit_code_tells_whether_all_hold(
    story: Story, state: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """0 when all hold, 1 when one is broken, 2 when not everything could be seen; people get text, scripts JSON."""
    assert main(["--state", str(state)]) == 0
    assert "BROKEN" not in capsys.readouterr().out
    with story.changed("site-a", "protection_groups", story.group, remote_hold="somebody"):
        assert main(["--state", str(state), "--json"]) == 1
        said = json.loads(capsys.readouterr().out)
        assert [entry["invariant"] for entry in said["findings"]] == ["it_ends"]
        assert main(["--state", str(state), "--moving"]) == 0
    (state / "site-b" / "protector.conf").unlink()
    assert main(["--state", str(state)]) == 2
    said_to_people = capsys.readouterr().out
    assert "NOT LOOKED AT: the Protector database of site-b" in said_to_people
    assert said_to_people.count("unsure") == len(INVARIANTS)
    monkeypatch.setenv("SANDBOX_STATE", str(state / "nowhere"))
    assert main([]) == 2
    assert "there is no world" in capsys.readouterr().err
