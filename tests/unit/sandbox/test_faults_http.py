"""Fault rules as a client on the wire feels them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from sandbox.clock import Clock
from sandbox.faults import FaultError, Faults, Rule
from sandbox.http import CallLog, middleware, serve

PRODUCT = {"User-Agent": "protector/1.0 (site-b)"}


class Service:
    """One tiny service behind the middleware: POST /things adds one, whatever became of the answer."""

    def __init__(self) -> None:
        self.clock, self.faults, self.calls = Clock(), Faults(), CallLog()
        self.applied = 0

    async def post(self, request: web.Request) -> web.Response:
        await request.text()
        self.applied += 1
        return web.json_response({"text": "x" * 100})


def play(scenario: Callable[[Service, aiohttp.ClientSession, str], Awaitable[None]]) -> None:
    """Run the scenario against a fresh service."""

    async def run() -> None:
        service = Service()
        guard = middleware("site-a/compute", "site-a", service.faults, service.clock, lambda: 0.0, service.calls)
        app = web.Application(middlewares=[guard])
        app.router.add_post("/things", service.post)
        runner, port = await serve(app)
        try:
            async with aiohttp.ClientSession() as session:
                await scenario(service, session, f"http://127.0.0.1:{port}/things")
        finally:
            await runner.cleanup()

    asyncio.run(run())


def test_fail_answers_without_applying_and_is_used_up() -> None:
    """A `fail` rule answers its status once and the request after it is applied."""

    async def scenario(service: Service, session: aiohttp.ClientSession, url: str) -> None:
        service.faults.add({"target": "site-a/*", "method": "POST", "path": r"things\?a=1", "status": 503})
        async with session.post(url + "?a=1") as answer:
            assert answer.status == 503
        assert service.applied == 0
        async with session.post(url + "?a=1") as answer:
            assert answer.status == 200
        assert service.applied == 1
        assert service.faults.list() == []

    play(scenario)


@pytest.mark.parametrize("mode", ["apply_then_fail", "half"])
def test_applied_although_the_answer_is_lost(mode: str) -> None:
    """With status 0 or half an answer the client sees a broken connection, and the thing exists."""

    async def scenario(service: Service, session: aiohttp.ClientSession, url: str) -> None:
        service.faults.add(Rule(mode=mode, status=0))
        with pytest.raises(aiohttp.ClientError):
            async with session.post(url) as answer:
                await answer.read()
        assert service.applied == 1

    play(scenario)


def test_reset_applies_nothing() -> None:
    """A `reset` drops the connection before the request is applied."""

    async def scenario(service: Service, session: aiohttp.ClientSession, url: str) -> None:
        service.faults.add(Rule(mode="reset"))
        with pytest.raises(aiohttp.ClientError):
            await session.post(url)
        assert service.applied == 0

    play(scenario)


def test_late_request_is_applied_after_its_client_has_gone() -> None:
    """A frozen sender's last request arrives after it gave up."""

    async def scenario(service: Service, session: aiohttp.ClientSession, url: str) -> None:
        service.faults.add(Rule(mode="late", delay=500))
        with pytest.raises(asyncio.TimeoutError):
            await session.post(url, data="x", timeout=aiohttp.ClientTimeout(total=0.1))
        assert service.applied == 0
        service.clock.advance(501)
        for _ in range(100):
            await asyncio.sleep(0)
        assert service.applied == 1

    play(scenario)


def test_delay_answers_late_but_applies_at_once() -> None:
    """The answer of a `delay` waits for the world's clock, its effect does not."""

    async def scenario(service: Service, session: aiohttp.ClientSession, url: str) -> None:
        service.faults.add(Rule(mode="delay", delay=500))
        pending = asyncio.create_task(session.post(url))
        while not service.applied:
            await asyncio.sleep(0)
        assert not pending.done()
        service.clock.advance(501)
        answer = await pending
        assert answer.status == 200

    play(scenario)


def test_hang_ends_with_its_client() -> None:
    """A hanging request answers nothing and applies nothing."""

    async def scenario(service: Service, session: aiohttp.ClientSession, url: str) -> None:
        service.faults.add(Rule(mode="hang"))
        with pytest.raises(asyncio.TimeoutError):
            await session.post(url, timeout=aiohttp.ClientTimeout(total=0.1))
        assert service.applied == 0

    play(scenario)


def test_cut_sites_cannot_call_each_other_but_users_can() -> None:
    """A cut drops the product's calls from the other site only; a lost site drops everybody's."""

    async def scenario(service: Service, session: aiohttp.ClientSession, url: str) -> None:
        service.faults.cut_link("site-a", "site-b")
        with pytest.raises(aiohttp.ClientError):
            await session.post(url, headers=PRODUCT)
        async with session.post(url) as answer:
            assert answer.status == 200
        service.faults.lose("site-a")
        with pytest.raises(aiohttp.ClientError):
            await session.post(url)
        service.faults.clear()
        async with session.post(url, headers=PRODUCT) as answer:
            assert answer.status == 200
        assert service.applied == 2
        assert service.calls.counts["site-a/compute", "POST", "/things"] == 4
        assert [call.caller for call in service.calls.recent] == ["", "site-b"]

    play(scenario)


@pytest.mark.parametrize(
    "fields", [{"mode": "explode"}, {"times": 0}, {"path": "("}, {"colour": "red"}, {"delay": -1}, {"status": 7}]
)
def test_senseless_rule_is_refused(fields: dict[str, Any]) -> None:
    """A rule that cannot work is refused with its reason, and none is added."""
    faults = Faults()
    with pytest.raises(FaultError):
        faults.add(fields)
    assert faults.list() == []
