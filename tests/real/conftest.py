"""Fixtures of the tests that run on real OpenStack services."""

import os
from collections.abc import Iterator

import pytest

from real.testbed.environment import Sites
from real.testbed.layout import default_layout
from real.testbed.lifecycle import Testbed

SDK_WARNINGS = [f"ignore::openstack.warnings.RemovedInSDK{major}0Warning" for major in (5, 6)]
KEEP = "SITERECOVERY_KEEP_TESTBED"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What holds for every test with sites: minutes of preparation are not its time, the SDK's warnings not its own.

    openstacksdk calls methods of its own that it has deprecated, on nearly every request.
    """
    for item in items:
        if "sites" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(300, func_only=True))
            item.add_marker(pytest.mark.filterwarnings(*SDK_WARNINGS))


@pytest.fixture(scope="session")
def sites() -> Iterator[Sites]:
    """Both sites, up and as they were seeded; installed and initialised first where they are not (root on Debian).

    One session at a time has them. They are left down, or up with SITERECOVERY_KEEP_TESTBED=1: the next session then
    takes them as they are.
    """
    testbed = Testbed(default_layout(), print)
    with testbed.held():
        testbed.ensure()
        try:
            yield Sites(testbed)
        finally:
            if os.environ.get(KEEP) != "1":
                testbed.down()
