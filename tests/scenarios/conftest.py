"""Each scenario plays on a world of its own: two clouds, two arrays, two Protectors as processes. When its story has gone well the invariants
are checked, which look at the whole world and not only at what the story asks for."""

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from support.site_pair import Pair, protected, site_pair

_PASSED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remembers how the story itself went: a world that a failed one has left half-way would only add noise."""
    report = yield
    if report.when == "call":
        item.stash[_PASSED] = report.passed
    return report


@pytest.fixture
def pair(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Pair]:
    with site_pair(tmp_path) as made:
        protected(made)
        yield made
        if request.node.stash.get(_PASSED, False):
            made.check()
