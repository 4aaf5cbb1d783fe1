"""The layers one by one, where a clock or a broken inside is needed."""

import json
from typing import Any

import pytest

from siterecovery.protector.api import errors
from siterecovery.protector.api.errors import NotAcceptable, TooManyRequests
from siterecovery.protector.api.microversion import HIGHEST, LOWEST, Microversion, negotiate
from siterecovery.protector.api.middleware.faults import Faults
from siterecovery.protector.api.middleware.limits import Limiter
from siterecovery.protector.api.schemas.operations import step_name
from siterecovery.protector.domain.errors import BadRequest, Conflict, PreconditionFailed, Unmet
from siterecovery.protector.domain.mappings import Unresolved


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_fills_again() -> None:
    """The told wait is enough, and less is not."""
    clock = Clock()
    limiter = Limiter(per_minute=6, burst=2, clock=clock)
    limiter.take("a")
    limiter.take("a")
    with pytest.raises(TooManyRequests) as raised:
        limiter.take("a")
    clock.now = 9.0
    with pytest.raises(TooManyRequests):
        limiter.check("a")
    clock.now = float(raised.value.retry_after)
    limiter.take("a")
    limiter.take("b")


def test_buckets_do_not_pile_up() -> None:
    """Ten thousand callers that stay away are forgotten: a full bucket is worth nothing."""
    clock = Clock()
    limiter = Limiter(per_minute=60, burst=1, clock=clock)
    for number in range(10_001):
        limiter.take(str(number))
    clock.now = 100.0
    limiter.take("one more")
    assert len(limiter._buckets) == 1


@pytest.mark.parametrize("header", ["protector 1.9", "protector 0.9"])
def test_a_version_out_of_range_is_told_the_range(header: str) -> None:
    """So that a client can step down."""
    with pytest.raises(NotAcceptable, match="not supported") as raised:
        negotiate(header)
    assert f"{LOWEST} to {HIGHEST}" in raised.value.remedy


@pytest.mark.parametrize("header", ["protector", "protector x", "protector 1", "protector 1.1 1.2"])
def test_an_unreadable_version_is_400(header: str) -> None:
    """It is not taken for the lowest one."""
    with pytest.raises(BadRequest):
        negotiate(header)


def test_errors_on_the_wire() -> None:
    """One entry an error, one for each unmet precondition, `resource` where a client must ask for it."""
    single = errors.body(Conflict("It is held.", code="protection_group.busy", remedy="Wait."), "req-1")
    assert single["errors"] == [
        {
            "status": 409,
            "code": "protection_group.busy",
            "title": "Conflict",
            "detail": "It is held.",
            "remedy": "Wait.",
            "request_id": "req-1",
        }
    ]
    several = PreconditionFailed([Unmet("a", "x"), Unresolved("b", "y", "z", "net-a")])
    assert [(e["code"], e.get("resource")) for e in errors.body(several, "r")["errors"]] == [
        ("a", None),
        ("b", "net-a"),
    ]


def test_what_a_layer_raises_becomes_an_answer(caplog: pytest.LogCaptureFixture) -> None:
    """A known error with its status, an unknown one as 500 and a bug in the log."""

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        raise environ["raise"]

    seen: list[str] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        seen.append(status)
        return lambda data: None

    faults: Any = Faults(app)
    list(faults({"raise": Conflict("no")}, start_response))
    body = b"".join(faults({"raise": KeyError("secret-key")}, start_response))
    assert [status[:3] for status in seen] == ["409", "500"]
    assert "secret-key" not in body.decode()
    assert json.loads(body)["errors"][0]["code"] == "internal_error"
    assert "This is a bug" in caplog.text


@pytest.mark.parametrize(
    ("version", "step", "shown"),
    [
        (Microversion(1, 2), "promote_volumes", "promote_volumes"),
        (Microversion(1, 1), "promote_volumes", "promote_volumes_on_flasharray"),
        (Microversion(1, 0), "recreate_instances", "recreate_instances"),
        (Microversion(1, 0), "delete_source_vm:validate_sites", "delete_source_vm:validate_sites"),
    ],
)
def test_step_names_by_version(version: Microversion, step: str, shown: str) -> None:
    """Only the step's own name is translated, never a resource's."""
    assert step_name(step, version) == shown
