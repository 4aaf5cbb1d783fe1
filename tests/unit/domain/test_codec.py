"""Domain values survive the way through JSON, and what is not of their shape is refused."""

import dataclasses
import enum
import json
from typing import Any, Literal

import pytest

from siterecovery.protector.domain.codec import CodecError, from_json, to_json
from siterecovery.protector.domain.epoch import Claim, Generation
from siterecovery.protector.domain.member import Member, Port, Rebuild, Volume
from siterecovery.protector.domain.operation import FailedStep, Operation
from siterecovery.protector.domain.policy import Policy
from siterecovery.protector.domain.protection_group import ProtectionGroup
from siterecovery.protector.domain.secret import Secret
from siterecovery.protector.domain.states import ClaimState, GroupStatus, OperationType

GROUP = ProtectionGroup(
    id="g",
    name="web",
    project_id="p",
    primary_site_id="a",
    secondary_site_id="b",
    current_primary_site_id="a",
    volume_type="gold",
    secondary_volume_type="gold-b",
    status=GroupStatus.ACTIVE,
    lineage=(Generation(0, None, "a", None), Generation(1, 0, "b", "op", "pg-1", {"v": "vol-1"})),
    claim=Claim(1, "op", ClaimState.COMMITTED, 0),
)
MEMBER = Member(
    "m",
    "g",
    "i",
    "web-1",
    rebuild=Rebuild(
        "f", "m1.small", ports=(Port("n", "net", ({"ip_address": "10.0.0.4"},)),), server_group={"name": "x"}
    ),
)
OPERATION = Operation(
    "o", "g", "p", OperationType.FAILOVER, steps_failed=(FailedStep("s", "e", None),), warnings=("w",)
)


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass(frozen=True)
class Sample:
    pair: tuple[int, str]
    colour: Colour
    mode: Literal["auto", "client"] = "auto"
    ratio: float = 0.5
    names: frozenset[str] = frozenset()
    either: int | str | None = None
    extra: Any = None


@pytest.mark.parametrize(
    "value",
    [
        GROUP,
        MEMBER,
        OPERATION,
        Volume("v", "g", "m", "c", "disk", 3),
        Sample((1, "x"), Colour.RED, names=frozenset("ab")),
    ],
)
def test_a_value_comes_back_equal_through_json_text(value: Any) -> None:
    """Every field of a domain value survives `json.dumps` and `json.loads`."""
    assert from_json(type(value), json.loads(json.dumps(to_json(value)))) == value


def test_a_secret_is_refused_unless_it_is_sealed() -> None:
    """A policy's tokens become JSON only through a seal, and come back only through its counterpart."""
    policy = Policy("g", "https://a", Secret("t-1"), "https://b", Secret("t-2"), "pg")
    with pytest.raises(CodecError):
        to_json(policy)
    data = to_json(policy, seal=lambda secret: secret.reveal()[::-1])
    assert data["primary_fa_token"] == "1-t"
    with pytest.raises(CodecError):
        from_json(Policy, data)
    assert from_json(Policy, data, unseal=lambda sealed: Secret(sealed[::-1])) == policy


def test_missing_fields_take_their_defaults() -> None:
    """A record written before a field existed can still be read."""
    assert from_json(FailedStep, {"step": "s", "error": "e"}) == FailedStep("s", "e", None)


@pytest.mark.parametrize(
    ("data", "place"),
    [
        ({"pair": [1, "x"], "colour": "red", "new": 1}, "unknown keys new"),
        ({"pair": [1], "colour": "red"}, "Sample.pair: 2 items"),
        ({"pair": ["1", "x"], "colour": "red"}, r"Sample.pair\[0\]: int expected"),
        ({"pair": [True, "x"], "colour": "red"}, r"Sample.pair\[0\]: int expected"),
        ({"pair": [1, "x"], "colour": "blue"}, "Sample.colour: not one of red"),
        ({"pair": [1, "x"], "colour": "red", "mode": "other"}, "Sample.mode: not one of auto, client"),
        ({"pair": [1, "x"], "colour": "red", "either": []}, "Sample.either: int expected, list found"),
        ({"pair": [1, "x"]}, "Sample: .*colour"),
        ([], "Sample: dict expected"),
    ],
)
def test_data_of_another_shape_is_refused_with_its_place(data: Any, place: str) -> None:
    """The error names the field, so that a broken record can be found."""
    with pytest.raises(CodecError, match=place):
        from_json(Sample, data)


def test_a_newer_record_can_be_read_leniently() -> None:
    """Keys that are unknown here are passed over when the caller says that the writer may be newer."""
    data = to_json(OPERATION) | {"invented_later": 1}
    assert from_json(Operation, data, lenient=True) == OPERATION
