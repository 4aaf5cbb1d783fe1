"""Tests on real Kubernetes clusters; `support.kubernetes` says what is there. Minutes of preparation are not a test's time."""

from pathlib import Path

import pytest

from support.kubernetes.fixtures import light_namespace, light_planes, namespace, planes

__all__ = ["light_namespace", "light_planes", "namespace", "planes"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(300, func_only=True))
