"""The suite of `tests/contract/cloud`, which holds the sandbox's clouds to what is true, on the real services it was learnt from."""

from pathlib import Path

import pytest

from contract.cloud.conftest import admin, connect, member, service, stranger, unique
from real.testbed.environment import Sites

__all__ = ["admin", "clouds_yaml", "connect", "member", "service", "stranger", "unique"]


@pytest.fixture(scope="session")
def clouds_yaml(sites: Sites) -> Path:
    """The clouds under test are the real ones."""
    return sites.clouds_yaml
