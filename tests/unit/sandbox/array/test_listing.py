"""Filters, sorting and paging."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.array.errors import Refused
from sandbox.array.filters import compile_filter
from unit.sandbox.array.pair import Pair, names, refusal

ITEM: dict[str, Any] = {
    "name": "array-a:pg.dr-1.v1",
    "progress": 1.0,
    "destroyed": False,
    "created": 1_700_000_000_000,
    "pod": {"name": "cinder-pod"},
    "iqns": ["iqn.a", "iqn.b"],
    "arrays": [{"status": "online"}, {"status": "offline"}],
    "completed": None,
}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("name='array-a:pg.dr-1.*'", True),
        ("name='ARRAY-A:PG.DR-1.V1'", True),
        ("name='array-a:pg.dr-2.*'", False),
        ('progress="1.0"', True),
        ("progress<1.0", False),
        ("created>1600000000000 and not destroyed", True),
        ("destroyed or pod.name='cinder-pod'", True),
        ("not (destroyed or pod.name='cinder-pod')", False),
        ("name=('x','array-a:pg.dr-1.v1')", True),
        ("name in ('x','y')", False),
        ("name!='x'", True),
        ("contains(name,'dr-1')", True),
        ("iqns='iqn.b'", True),
        ("arrays[any].status='online'", True),
        ("arrays[all].status='online'", False),
        ("completed", False),
        ("destroyed='false'", True),
    ],
)
def test_filter(text: str, matches: bool) -> None:
    """The grammar of Pure's list calls selects what it says."""
    assert compile_filter(text)(ITEM) is matches


@pytest.mark.parametrize("text", ["name=", "name='x' and", "(name='x'", "= 'x'", "name ~ 'x'", "name='x' name='y'"])
def test_unreadable_filter_is_refused(text: str) -> None:
    """A filter that cannot be read selects nothing silently: it is refused."""
    with pytest.raises(Refused, match="Invalid filter"):
        compile_filter(text)


def test_pages_are_walked_by_token_and_when_sorted_by_offset(pair: Pair) -> None:
    """Both ways of paging give every volume once; a sorted page has no token."""
    pair.volumes(*(f"v{i}" for i in range(7)))
    pair.a.settings.page_cap = 3
    seen: list[str] = []
    query: dict[str, str] = {}
    while True:
        answer = pair.a.call("GET", "/volumes", query)[1]
        seen += [item["name"] for item in answer["items"]]
        if not answer["more_items_remaining"]:
            break
        query = {"continuation_token": answer["continuation_token"]}
    assert seen == [f"v{i}" for i in range(7)]
    first = pair.a.call("GET", "/volumes", {"sort": "name-", "limit": "2"})[1]
    assert [item["name"] for item in first["items"]] == ["v6", "v5"]
    assert (first["continuation_token"], first["more_items_remaining"]) == (None, True)
    assert names(pair.a, "/volumes", sort="name-", limit="2", offset="6") == ["v0"]


def test_counting_needs_no_items(pair: Pair) -> None:
    """limit=0 answers only how many there are."""
    pair.volumes("v1", "v2")
    answer = pair.a.call("GET", "/volumes", {"limit": "0"})[1]
    assert (answer["items"], answer["total_item_count"]) == ([], 2)


@pytest.mark.parametrize("query", [{"limit": "x"}, {"destroyed": "maybe"}, {"continuation_token": "!"}])
def test_senseless_query_is_refused(pair: Pair, query: dict[str, str]) -> None:
    """A value that cannot be read is a 400."""
    refusal(pair.a, "GET", "/volumes", query)
