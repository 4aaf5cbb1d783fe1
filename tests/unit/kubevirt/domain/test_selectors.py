"""Label selectors."""

import pytest

from siterecovery.kubevirt.domain.selectors import matches


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ({"matchLabels": {"app": "x"}}, True),
        ({"matchLabels": {"app": "y"}}, False),
        ({"matchExpressions": [{"key": "tier", "operator": "In", "values": ["a", "b"]}]}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["a"]}]}, False),
        ({"matchExpressions": [{"key": "none", "operator": "NotIn", "values": ["a"]}]}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}, False),
        ({"matchLabels": {"app": "x"}, "matchExpressions": [{"key": "no", "operator": "Exists"}]}, False),
        ({}, False),
    ],
)
def test_a_selector_matches_as_in_kubernetes(selector, found):
    """Labels and expressions all have to hold; an empty selector takes nobody."""
    assert matches(selector, {"app": "x", "tier": "a"}) is found
