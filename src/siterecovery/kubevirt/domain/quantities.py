"""Amounts as Kubernetes writes them (`10Gi`, `500M`, `1e9`). Pure."""

import decimal
import re

_UNITS = {
    "": 1,
    "m": decimal.Decimal("0.001"),
    **{unit: 1000 ** (power + 1) for power, unit in enumerate(("k", "M", "G", "T", "P", "E"))},
    **{unit: 1024 ** (power + 1) for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"))},
}
_FORM = re.compile(r"^([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE]([+-]?[0-9]+))?([a-zA-Z]*)$")


def whole(text: str) -> int:
    """In whole units (bytes), rounded up. ValueError when it is no amount."""
    found = _FORM.match(text.strip())
    if found is None or found[3] not in _UNITS:
        raise ValueError(f"{text!r} is no amount such as 10Gi")
    value = decimal.Decimal(found[1]) * decimal.Decimal(10) ** int(found[2] or 0) * _UNITS[found[3]]
    return int(value.to_integral_value(decimal.ROUND_CEILING))
