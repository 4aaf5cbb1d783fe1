"""Calls to LINSTOR's controllers when they are late, gone, half there or in a bad mood; and which of several serves."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from siterecovery.kubevirt.storage.base import (
    Exists,
    InUse,
    NewVolume,
    NoSuchVolume,
    Place,
    Refused,
    Silent,
    Unknown,
    Unreachable,
)
from siterecovery.kubevirt.storage.linstor import LinstorSettings, LinstorStorage
from siterecovery.kubevirt.storage.linstor.answers import checked
from unit.kubevirt.storage.ground import Ground, play
from unit.sandbox.drbd.worlds import VOLUME, A, B

NEW = NewVolume("pvc-new", 1 << 20, (Place("cluster1", A), Place("cluster2", B)))


@pytest.mark.parametrize("mode", ["reset", "half", "fail"])
def test_no_whole_answer_is_unreachable(mode: str) -> None:
    """Cut, half, or an error without a reason: nobody knows, and the message names the controller and the call; then it answers again."""

    async def story(ground: Ground) -> None:
        ground.world.faults.add({"target": "linstor", "path": "view/resources", "mode": mode, "times": None})
        with pytest.raises(Unreachable, match=r"127\.0\.0\.1:\d+, GET /v1/view/resources"):
            await ground.storage.states([VOLUME])
        ground.world.faults.clear()
        assert (await ground.storage.states([VOLUME]))[VOLUME].exists

    play(story)


@pytest.mark.parametrize("mode", ["hang", "late"])
def test_an_answer_beyond_the_limit_is_none(mode: str) -> None:
    """Whoever asks is not kept waiting: after the limit nobody knows."""

    async def story(ground: Ground) -> None:
        rule = {"target": "linstor", "path": "/v1/", "mode": mode, "times": None, "delay": 3600.0}
        ground.world.faults.add(rule)
        with pytest.raises(Unreachable, match="no answer in time"):
            await ground.storage.states([VOLUME])

    play(story, timeout=0.2)


def test_the_next_controller_is_asked() -> None:
    """With one controller gone another serves, and is asked first from then on."""

    async def story(ground: Ground) -> None:
        ground.world.faults.lose("linstor")
        assert (await ground.storage.states([VOLUME]))[VOLUME].exists
        ground.world.calls.reset()
        await ground.storage.states([VOLUME])
        assert {target for target, _, _ in ground.world.calls.counts} == {"linstor-2"}

    play(story, controllers=2)


def test_no_controller_at_all() -> None:
    """Every address is named in the error."""

    async def story(ground: Ground) -> None:
        ground.world.faults.lose("linstor")
        ground.world.faults.lose("linstor-2")
        with pytest.raises(Unreachable) as caught:
            await ground.storage.states([VOLUME])
        assert all(url in str(caught.value) for url in ground.running.controllers)

    play(story, controllers=2)


def test_a_creation_is_not_sent_twice() -> None:
    """A POST whose answer is lost may have been applied: it is not repeated at another controller, but completed by the next call."""

    async def story(ground: Ground) -> None:
        ground.world.faults.add(
            {
                "target": "linstor",
                "method": "POST",
                "path": "resource-definitions$",
                "mode": "apply_then_fail",
                "status": 0,
            }
        )
        with pytest.raises(Unreachable):
            await ground.storage.create(NEW)
        await ground.storage.create(NEW)
        assert set(ground.world.drbd.resources["pvc-new"].replicas) >= {A, B}
        made = [call for call in ground.world.calls.recent if call.path == "/v1/resource-definitions"]
        assert len(made) == 1

    play(story, controllers=2)


def code(number: int, kind: int = 0b11) -> int:
    """A return code as it is on the wire: signed."""
    value = kind << 62 | 0x1380000 | number
    return value - (1 << 64) if value >= 1 << 63 else value


@pytest.mark.parametrize(
    ("number", "kind"),
    [(301, NoSuchVolume), (502, Exists), (997, InUse), (995, Silent), (992, Silent), (213, Refused)],
)
def test_return_codes_become_our_errors(number: int, kind: type[Exception]) -> None:
    """The number in a signed 64-bit code decides, also where HTTP says 200; correction and report are told on."""
    body = [{"ret_code": code(number), "message": "Not so.", "correction": "Do this.", "error_report_ids": ["R-1"]}]
    with pytest.raises(kind, match=r"Not so\..*R-1.*Do this\.") as caught:
        checked(httpx.Response(200, json=body), "PUT /x", "pvc-1")
    assert type(caught.value) is kind
    assert vars(caught.value)["volume"] == "pvc-1"


def test_warnings_are_no_errors() -> None:
    """A deprecated property or an absent satellite is a warning: the change was made."""
    body = [{"ret_code": code(3, 0), "message": "done"}, {"ret_code": code(4000, 0b10), "message": "deprecated"}]
    assert checked(httpx.Response(200, json=body), "PUT /x") == body


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_proxys_error_page_is_no_answer(status: int) -> None:
    """HTML from something in between says nothing about volumes."""
    with pytest.raises(Unreachable):
        checked(httpx.Response(status, text="<html>bad gateway</html>"), "GET /x")


def test_unknown_is_one_family() -> None:
    """Whoever waits catches Unknown, and never a refusal with it."""
    assert issubclass(Unreachable, Unknown)
    assert issubclass(Silent, Unknown)
    assert not issubclass(NoSuchVolume, Unknown)


@pytest.mark.parametrize(
    "given",
    [
        {"controllers": ()},
        {"controllers": ("linstor:3370",)},
        {"controllers": ("http://x:3370",), "token": "t"},
        {"controllers": ("http://x:3370",), "timeout": 0},
    ],
)
def test_bad_settings_are_refused(given: dict[str, object]) -> None:
    """No controller, no URL, a secret over plain HTTP, no time: refused when they are read."""
    with pytest.raises(ValueError, match=r"give|seconds"):
        LinstorSettings(**given)  # type: ignore[arg-type]


def test_a_token_is_sent_and_not_shown() -> None:
    """It goes into the header of every call, and into no repr."""
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["Authorization"])
        return httpx.Response(200, json=[])

    async def run() -> None:
        settings = LinstorSettings(("https://x:3371",), token="hidden")
        assert "hidden" not in repr(settings)
        storage = LinstorStorage(settings, httpx.MockTransport(answer))
        assert not (await storage.states(["v"]))["v"].exists
        await storage.close()

    asyncio.run(run())
    assert set(seen) == {"Bearer hidden"}
