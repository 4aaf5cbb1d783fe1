"""Names that arrays accept, and what they call the source of a copy."""

import pytest

from siterecovery.protector.arrays.flasharray import names
from siterecovery.protector.arrays.flasharray.snapshots import instant
from siterecovery.protector.domain.epoch import epoch_tag, highest_epoch
from siterecovery.protector.domain.errors import BadRequest


@pytest.mark.parametrize("name", ["a", "pg-1", "A1", "1-2", "x" * 63])
def test_legal_group_names(name: str) -> None:
    """Letters, digits and dashes, at most 63."""
    assert names.check_group(name) == name


@pytest.mark.parametrize("name", ["", "-a", "a-", "a_b", "12345", "x" * 64, "a.b", "a b", "ä", "a\n"])
def test_illegal_group_names_and_suffixes(name: str) -> None:
    """Refused before the array sees them; a purely numeric suffix is the array's own."""
    for check in (names.check_group, names.check_suffix):
        with pytest.raises(BadRequest):
            check(name)


def test_volumes_may_have_underscores() -> None:
    """Only volumes."""
    assert names.check_volume("a_b") == "a_b"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("array-a:pg.s.v1", {"array-a:pg.s.v1", "v1", "array-a:v1"}),
        ("pg.s.v1", {"pg.s.v1", "v1"}),
        ("v1.s", {"v1.s", "v1"}),
        ("v1", {"v1"}),
    ],
)
def test_origins_of_a_copy(source: str, expected: set[str]) -> None:
    """The snapshot, or the volume it was taken of."""
    assert names.origins(source) == expected


def test_instants_are_utc_with_milliseconds() -> None:
    """Two snapshots of one second stay in order as text."""
    assert instant(1_700_000_000_001) == "2023-11-14T22:13:20.001Z"


def test_only_whole_epoch_keys_count() -> None:
    """Other tags, and a mangled epoch, are not epochs."""
    tags = {"epoch": "9", "epoch-x": "true", "group": "7", **epoch_tag(4), **epoch_tag(11)}
    assert highest_epoch(tags) == 11
    assert highest_epoch({"epoch": "9"}) == 0
