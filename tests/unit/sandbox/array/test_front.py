"""What an array's HTTP front adds to its calls: versions, sessions, roles, limits, and the control port's knobs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

from sandbox.array import control
from sandbox.array.front import Front, Token
from sandbox.control import make_app
from sandbox.http import CallLog, middleware, serve
from unit.sandbox.array.pair import START, Pair

SECRET = "11111111-2222"


class Wire:
    """One array and the control port on plain HTTP, and a client that logs in."""

    def __init__(self, session: aiohttp.ClientSession, front: Front, array: int, control_port: int) -> None:
        self.session, self.front = session, front
        self.base, self.port = f"http://127.0.0.1:{array}/api", f"http://127.0.0.1:{control_port}"
        self.token = ""

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any, Any]:
        """Status, JSON and headers of one call."""
        sent = {"x-auth-token": self.token, **headers}
        async with self.session.request(method, self.base + path, json=body, headers=sent) as answer:
            return answer.status, await answer.json(), answer.headers

    async def login(self, secret: str = SECRET) -> int:
        """Log in and keep the session; the status."""
        status, _, headers = await self.call("POST", "/2.26/login", **{"api-token": secret})
        self.token = headers.get("x-auth-token", "")
        return status

    async def turn(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """One call to the control port."""
        async with self.session.request(method, self.port + path, json=body) as answer:
            return answer.status, await answer.json()


def on_the_wire(pair: Pair, scenario: Callable[[Wire], Awaitable[None]]) -> None:
    """Serve array-a and the control port and play the scenario."""

    async def run() -> None:
        front, calls = Front(pair.a, [SECRET]), CallLog()
        guard = middleware("array-a", "site-a", pair.faults, pair.clock, lambda: 0.0, calls)
        runner, port = await serve(front.app(guard))
        app = make_app(pair.clock, pair.faults, calls, {"site-a", "site-b"})
        control.add_routes(app, pair.fabric, {"array-a": front, "array-b": Front(pair.b, [])})
        control_runner, control_port = await serve(app)
        try:
            async with aiohttp.ClientSession() as session:
                await scenario(Wire(session, front, port, control_port))
        finally:
            await runner.cleanup()
            await control_runner.cleanup()

    asyncio.run(run())


def test_versions_need_no_session_and_unknown_ones_are_not_found(pair: Pair) -> None:
    """Discovery is open; a version that is not advertised is a 404."""

    async def scenario(wire: Wire) -> None:
        status, body, _ = await wire.call("GET", "/api_version")
        assert (status, body["version"][-1]) == (200, "2.26")
        assert "2.12" not in body["version"]
        await wire.login()
        assert (await wire.call("GET", "/2.99/volumes"))[0] == 404
        assert (await wire.call("GET", "/2.26/nonsense"))[0] == 404

    on_the_wire(pair, scenario)


def test_session_is_needed_renewed_by_use_and_ends_idle(pair: Pair) -> None:
    """Without, with a wrong, after a killed or idle session every call is 401 "Invalid session."."""

    async def scenario(wire: Wire) -> None:
        assert (await wire.call("GET", "/2.26/arrays"))[0] == 401
        assert await wire.login("wrong") == 401
        assert await wire.login() == 200
        for _ in range(3):
            pair.clock.advance(1700)
            assert (await wire.call("GET", "/2.26/arrays"))[0] == 200
        pair.clock.advance(1801)
        status, body, _ = await wire.call("GET", "/2.26/arrays")
        assert (status, body["errors"][0]["message"]) == (401, "Invalid session.")
        await wire.login()
        assert (await wire.turn("POST", "/arrays/array-a/kill-sessions"))[1] == {"killed": 1}
        assert (await wire.call("GET", "/2.26/arrays"))[0] == 401

    on_the_wire(pair, scenario)


def test_logout_ends_the_session(pair: Pair) -> None:
    """After logout the session is dead and no longer counted."""

    async def scenario(wire: Wire) -> None:
        await wire.login()
        assert wire.front.sessions == 1
        assert (await wire.call("POST", "/2.26/logout", {}))[0] == 200
        assert wire.front.sessions == 0
        assert (await wire.call("GET", "/2.26/arrays"))[0] == 401

    on_the_wire(pair, scenario)


def test_token_expires_and_a_readonly_one_cannot_change(pair: Pair) -> None:
    """An expired token gets no session; a read-only role reads, and writes are 403 in either shape."""

    async def scenario(wire: Wire) -> None:
        wire.front.tokens["old"] = Token(expires=START - 1)
        assert await wire.login("old") == 401
        body = {"token": "reader", "role": "readonly"}
        assert (await wire.turn("POST", "/arrays/array-a/tokens", body))[0] == 201
        assert await wire.login("reader") == 200
        assert (await wire.call("GET", "/2.26/volumes"))[0] == 200
        status, answer, _ = await wire.call("POST", "/2.26/volumes?names=v1", {"provisioned": 1 << 30})
        assert (status, list(answer)) == (403, ["errors"])
        pair.a.settings.forbidden_shape = "message"
        status, answer, _ = await wire.call("POST", "/2.26/volumes?names=v1", {"provisioned": 1 << 30})
        assert (status, list(answer)) == (403, ["message"])
        assert len(pair.a.volumes) == 0

    on_the_wire(pair, scenario)


def test_rate_limit_answers_429_with_advice(pair: Pair) -> None:
    """Above the limit a call is 429 with Retry-After, and the next second is free again."""

    async def scenario(wire: Wire) -> None:
        await wire.login()
        pair.a.settings.rate_limit = 2
        pair.clock.advance(1)
        assert [(await wire.call("GET", "/2.26/arrays"))[0] for _ in range(3)] == [200, 200, 429]
        _, body, headers = await wire.call("GET", "/2.26/arrays")
        assert (body, headers["Retry-After"]) == ({"message": "API rate limit exceeded"}, "1")
        pair.clock.advance(1)
        assert (await wire.call("GET", "/2.26/arrays"))[0] == 200

    on_the_wire(pair, scenario)


def test_request_id_is_echoed_and_query_lists_are_decoded(pair: Pair) -> None:
    """X-Request-ID comes back; encoded list items with literal commas are read as a list."""
    pair.volumes("v1", "v2")

    async def scenario(wire: Wire) -> None:
        await wire.login()
        status, body, headers = await wire.call("GET", "/2.26/volumes?names=v%31,v2", **{"X-Request-ID": "abc"})
        assert (status, [v["name"] for v in body["items"]], headers["X-Request-ID"]) == (200, ["v1", "v2"], "abc")
        async with wire.session.post(
            wire.base + "/2.26/volumes?names=v3", data="{", headers={"x-auth-token": wire.token}
        ) as answer:
            assert answer.status == 400

    on_the_wire(pair, scenario)


def test_applied_but_unanswered_creation_is_found_again(pair: Pair) -> None:
    """After an `apply_then_fail` 503 the repeated POST is refused because the volume is there."""

    async def scenario(wire: Wire) -> None:
        await wire.login()
        rule = {"target": "array-a", "method": "POST", "path": "/volumes", "mode": "apply_then_fail", "status": 503}
        assert (await wire.turn("POST", "/faults", rule))[0] == 201
        create = ("POST", "/2.26/volumes?names=v1", {"provisioned": 1 << 30})
        assert (
            await wire.session.request(
                create[0], wire.base + create[1], json=create[2], headers={"x-auth-token": wire.token}
            )
        ).status == 503
        status, body, _ = await wire.call(*create)
        assert (status, body["errors"][0]["message"]) == (400, "Volume already exists.")

    on_the_wire(pair, scenario)


def test_control_port_turns_knobs_and_refuses_nonsense(pair: Pair) -> None:
    """Links, space, settings, content and time can be set; what makes no sense is refused and changes nothing."""
    pair.volumes("v1")

    async def scenario(wire: Wire) -> None:
        status, answer = await wire.turn("POST", "/arrays/array-a/links/array-b", {"up": False})
        assert (status, answer["connected"]) == (200, False)
        assert (await wire.turn("POST", "/arrays/array-a/fill", {}))[1]["filled"] == pair.a.settings.capacity
        assert (await wire.turn("POST", "/arrays/array-a/settings", {"idle_timeout": 60}))[1]["idle_timeout"] == 60.0
        assert (await wire.turn("POST", "/arrays/array-a/volumes/v1", {"generation": 5}))[1]["generation"] == 5
        poke = {"kind": "volume", "name": "v1", "fields": {"qos": {"iops_limit": 100}}}
        assert (await wire.turn("POST", "/arrays/array-a/poke", poke))[1]["qos"] == {"iops_limit": 100}
        assert (await wire.turn("POST", "/clock/advance", {"seconds": 10}))[1]["now"] == START + 10
        assert (await wire.turn("GET", "/arrays"))[1][0]["name"] == "array-a"
        for path, body in (
            ("/arrays/array-a/settings", {"idle_timeout": "long"}),
            ("/arrays/array-a/settings", {"colour": 1}),
            ("/arrays/array-a/links/array-b", {"bandwidth": 0}),
            ("/arrays/array-a/poke", {"kind": "volume", "name": "v1", "fields": {"serial": 1}}),
            ("/clock/advance", {"seconds": -1}),
            ("/faults", {"mode": "explode"}),
            ("/links/cut", {"sites": ["site-a"]}),
        ):
            assert (await wire.turn("POST", path, body))[0] == 400, path
        assert (await wire.turn("POST", "/sites/site-x/down"))[0] == 404
        assert (await wire.turn("POST", "/arrays/array-x/fill"))[0] == 404
        assert pair.faults.list() == []

    on_the_wire(pair, scenario)


def test_lost_site_drops_array_calls(pair: Pair) -> None:
    """With site-a down its array gives no answer at all, and is back with the site."""

    async def scenario(wire: Wire) -> None:
        await wire.login()
        await wire.turn("POST", "/sites/site-a/down")
        try:
            await wire.call("GET", "/2.26/arrays")
        except aiohttp.ClientError:
            dropped = True
        else:
            dropped = False
        assert dropped
        await wire.turn("POST", "/sites/site-a/up")
        assert (await wire.call("GET", "/2.26/arrays"))[0] == 200

    on_the_wire(pair, scenario)
