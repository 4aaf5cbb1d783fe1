"""The control port and the guests' door, over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import pytest

from sandbox.kubernetes.drbd.server import start
from unit.sandbox.drbd.worlds import ONE, TWO, VOLUME, A, B, Q, world


class Port:
    """Calls answered as (status, JSON)."""

    def __init__(self, url: str, http: httpx.AsyncClient) -> None:
        self._url = url
        self._http = http

    async def __call__(self, method: str, path: str, body: object = None) -> tuple[int, dict[str, object]]:
        answer = await self._http.request(method, self._url + path, json=body)
        return answer.status_code, answer.json()


def play(story: Callable[[Port], Awaitable[None]]) -> None:
    async def run() -> None:
        running = await start(world())
        async with httpx.AsyncClient() as http:
            await story(Port(running.control, http))
        await running.close()

    asyncio.run(run())


def test_a_guests_life_at_the_door() -> None:
    """Open, write, close with the generation; a refusal is a 409 with DRBD's reason, an ordinary disk a 404."""

    async def story(port: Port) -> None:
        assert await port("POST", f"/devices/{ONE}/{A}/{VOLUME}/open") == (200, {"generation": 0})
        assert await port("POST", f"/devices/{ONE}/{A}/{VOLUME}/write", {}) == (200, {"generation": 1})
        status, told = await port("POST", f"/devices/{TWO}/{B}/{VOLUME}/open")
        assert (status, "Multiple primaries" in str(told["reason"])) == (409, True)
        assert (await port("POST", f"/devices/{ONE}/{A}/pvc-9/open"))[0] == 404
        assert (await port("POST", f"/devices/{ONE}/{A}/{VOLUME}/close"))[0] == 200
        status, told = await port("GET", f"/devices/{TWO}/{B}/{VOLUME}")
        assert (status, told["role"], told["generation"]) == (200, "Secondary", 1)
        assert (await port("GET", f"/devices/{TWO}/{A}/{VOLUME}"))[0] == 404

    play(story)


def test_the_truth_is_shown() -> None:
    """Primaries, disks and connections, whoever else may or may not know them; and what has happened."""

    async def story(port: Port) -> None:
        await port("POST", f"/devices/{ONE}/{A}/{VOLUME}/open")
        await port("POST", f"/drbd/nodes/{A}/satellite", {"answers": False})
        _, seen = await port("GET", f"/drbd/volumes/{VOLUME}")
        assert (seen["primaries"], seen["connected"]) == ([A], [[A, Q], [A, B], [Q, B]])
        _, nodes = await port("GET", "/drbd")
        assert nodes["nodes"][A] == {"cluster": ONE, "pool": "pool", "up": True, "online": False}  # type: ignore[index]
        answer = await port("GET", "/history?since=0")
        assert "promoted" in [event["event"] for event in answer[1]]  # type: ignore[index]

    play(story)


def test_volumes_and_nodes_are_made() -> None:
    """A new node takes a replica; what exists is not made twice."""

    async def story(port: Port) -> None:
        assert (await port("POST", "/drbd/nodes", {"name": "new", "cluster": TWO}))[0] == 200
        status, made = await port("POST", "/drbd/volumes", {"name": "pvc-2", "nodes": [A, "new"]})
        assert (status, set(made["replicas"])) == (200, {A, "new", Q})  # type: ignore[call-overload]
        assert (await port("POST", "/drbd/volumes", {"name": "pvc-2", "nodes": [A]}))[0] == 400
        assert (await port("POST", "/drbd/nodes", {"name": "new", "cluster": TWO}))[0] == 400

    play(story)


def test_taints_by_hand() -> None:
    """Set, shown, and given back to DRBD; other keys are refused."""

    async def story(port: Port) -> None:
        key = "drbd.linbit.com/lost-quorum"
        assert (await port("POST", f"/drbd/taints/{B}", {"keys": [key]}))[0] == 200
        assert (await port("GET", f"/drbd/taints/{TWO}"))[1][B] == [key]
        assert (await port("POST", f"/drbd/taints/{B}", {"keys": ["mine"]}))[0] == 400
        await port("POST", f"/drbd/taints/{B}", {"keys": None})
        assert (await port("GET", f"/drbd/taints/{TWO}"))[1][B] == []

    play(story)


def test_knobs() -> None:
    """Links, resync, promotions, outdating: each does what it says, and is seen in the truth."""

    async def story(port: Port) -> None:
        _, seen = await port("POST", f"/drbd/volumes/{VOLUME}/link", {"up": False})
        assert [A, B] not in seen["connected"]  # type: ignore[operator]
        await port("POST", f"/drbd/volumes/{VOLUME}/link", {"up": True})
        _, seen = await port("POST", f"/drbd/volumes/{VOLUME}/outdate", {"node": B})
        assert seen["replicas"][B]["disk"] == "Outdated"  # type: ignore[index]
        await port("POST", f"/drbd/volumes/{VOLUME}/fail-promotions", {"times": 1})
        assert (await port("POST", f"/devices/{ONE}/{A}/{VOLUME}/open"))[0] == 409
        assert (await port("POST", f"/devices/{ONE}/{A}/{VOLUME}/open"))[0] == 200
        _, cut = await port("POST", f"/drbd/clusters/{ONE}/isolate", {"isolated": True})
        assert cut == {"cut": [[ONE, TWO], [ONE, "quorum"]]}
        assert await port("POST", f"/drbd/clusters/{ONE}/isolate", {"isolated": False}) == (200, {"cut": []})
        settings = {"resync_seconds": 9.0, "resync_paused": True}
        assert await port("POST", "/drbd/settings", settings) == (200, settings)

    play(story)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/drbd/volumes", {"name": "x"}),
        ("/drbd/volumes", {"name": "x", "nodes": ["nowhere"]}),
        ("/drbd/volumes", {"name": "1x", "nodes": [A]}),
        ("/drbd/volumes/nothing/link", {"up": True}),
        (f"/drbd/volumes/{VOLUME}/link", {}),
        (f"/drbd/volumes/{VOLUME}/discard", {"node": "nowhere"}),
        (f"/drbd/volumes/{VOLUME}/outdate", {"node": Q}),
        ("/drbd/nodes", {"name": "x"}),
        (f"/drbd/nodes/{A}/satellite", {"answers": 1}),
        ("/drbd/settings", {"speed": 1}),
        ("/drbd/settings", {"resync_seconds": -1}),
        ("/drbd/clusters/cluster1", {}),
        ("/drbd/clusters/cluster1", {"kubeconfig": "/nowhere"}),
        ("/sites/cluster9/down", {}),
        ("/drbd/clusters/cluster9/isolate", {"isolated": True}),
    ],
)
def test_bad_input_is_refused_with_words(path: str, body: object) -> None:
    """A 400 or 404 whose error says what to do, and nothing is changed."""

    async def story(port: Port) -> None:
        before = await port("GET", "/drbd/volumes")
        status, told = await port("POST", path, body)
        assert status in (400, 404)
        assert told["error"]
        assert await port("GET", "/drbd/volumes") == before

    play(story)


def test_a_discard_at_the_port() -> None:
    """A Primary is refused; a Secondary is emptied and filled."""

    async def story(port: Port) -> None:
        await port("POST", f"/devices/{ONE}/{A}/{VOLUME}/open")
        assert (await port("POST", f"/drbd/volumes/{VOLUME}/discard", {"node": A}))[0] == 400
        _, seen = await port("POST", f"/drbd/volumes/{VOLUME}/discard", {"node": B})
        assert seen["replicas"][B]["disk"] == "UpToDate" or seen["replicas"][B]["sync"] is not None  # type: ignore[index]

    play(story)
