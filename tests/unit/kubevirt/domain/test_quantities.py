"""Amounts as Kubernetes writes them."""

import pytest

from siterecovery.kubevirt.domain.quantities import whole


@pytest.mark.parametrize(
    ("text", "bytes_"),
    [("1Gi", 1 << 30), ("1.5Mi", 3 << 19), ("500M", 500_000_000), ("1e3", 1000), ("7", 7), ("1500m", 2), ("0", 0)],
)
def test_an_amount_is_read_and_rounded_up(text, bytes_):
    """Binary and decimal units, exponents and thousandths; never less than was asked for."""
    assert whole(text) == bytes_


@pytest.mark.parametrize("text", ["", "Gi", "1 GiB", "ten", "1gi"])
def test_what_is_no_amount_is_an_error(text):
    """It names what it could not read."""
    with pytest.raises(ValueError, match="is no amount"):
        whole(text)
