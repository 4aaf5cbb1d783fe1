"""Which network and flavor on the target stands for one on the source."""

import pytest

from siterecovery.protector.domain.mappings import Thing, Unresolved, resolve

WEB, DB = Thing("web-id", "web"), Thing("db-id", "db")
TARGET = {"web": ["web-there"], "front": ["front-there"], "front-there": ["front-there"], "twice": ["x", "y"]}


def lookup(name: str) -> list[str]:
    return TARGET.get(name, [])


@pytest.mark.parametrize(
    ("requested", "stored", "backwards", "target"),
    [
        ({}, {}, False, "web-there"),
        ({"web": "front"}, {}, False, "front-there"),
        ({"web-id": "front-there"}, {"web": "twice"}, False, "front-there"),
        ({}, {"web": "front"}, False, "front-there"),
        ({}, {"front": "web"}, True, "front-there"),
    ],
)
def test_the_request_wins_over_what_is_stored_over_names(
    requested: dict[str, str], stored: dict[str, str], backwards: bool, target: str
) -> None:
    """Ids and names are accepted on both sides; a stored mapping is read backwards on the way back."""
    assert resolve("network", [WEB], requested, stored, lookup, backwards=backwards) == ({"web-id": target}, [])


def test_each_open_one_is_named() -> None:
    """None or several with that name: the entry says which, and what to send."""
    resolved, unmet = resolve("network", [WEB, DB], {"web": "twice"}, {}, lookup)
    assert resolved == {}
    assert [(item.code, item.resource) for item in unmet if isinstance(item, Unresolved)] == [
        ("mapping.network_unresolved", "web"),
        ("mapping.network_unresolved", "db"),
    ]
    assert unmet[0].detail.startswith("More than one")
    assert unmet[1].detail.startswith("No network")


def test_a_drill_lands_on_no_network_by_its_name() -> None:
    """In a test an unmapped network stays open, though the target has one of that name."""
    resolved, unmet = resolve("network", [WEB], {}, {}, lookup, by_name=False)
    assert (resolved, [item.code for item in unmet]) == ({}, ["mapping.network_unresolved"])
