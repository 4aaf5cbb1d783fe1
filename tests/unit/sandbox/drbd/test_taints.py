"""Quorum taints on the nodes of a cluster, kept as Piraeus' HA controller keeps them, through a kubeconfig."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import yaml
from aiohttp import web

from sandbox.http import serve
from sandbox.kubernetes.drbd.kube import Kube
from sandbox.kubernetes.drbd.server import World
from sandbox.kubernetes.drbd.taints import FORCE_IO_ERROR, LOST_QUORUM, TaintAgent
from unit.sandbox.drbd.worlds import B2, ONE, TWO, VOLUME, A, B, cut_all, heal_all, world, written

Taint = dict[str, str]


class Nodes:
    """The nodes of an API server: list, get and conditional merge patches. `meddle` runs before each patch is looked at."""

    def __init__(self, *names: str) -> None:
        self.taints: dict[str, list[Taint]] = {name: [] for name in names}
        self.versions = dict.fromkeys(names, 1)
        self.meddle: Callable[[str], None] = lambda name: None
        self.writes = 0
        self.written = asyncio.Event()
        self.token = ""

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/api/v1/nodes", self._list)
        app.router.add_get("/api/v1/nodes/{name}", self._get)
        app.router.add_patch("/api/v1/nodes/{name}", self._patch)
        return app

    def change(self, name: str, taints: list[Taint]) -> None:
        """As somebody else."""
        self.taints[name] = taints
        self.versions[name] += 1

    def _node(self, name: str) -> dict[str, object]:
        metadata = {"name": name, "resourceVersion": str(self.versions[name])}
        return {"metadata": metadata, "spec": {"taints": self.taints[name]} if self.taints[name] else {}}

    async def _list(self, request: web.Request) -> web.Response:
        self.token = request.headers.get("Authorization", "")
        return web.json_response({"items": [self._node(name) for name in self.taints]})

    async def _get(self, request: web.Request) -> web.Response:
        return web.json_response(self._node(request.match_info["name"]))

    async def _patch(self, request: web.Request) -> web.Response:
        name, body = request.match_info["name"], json.loads(await request.text())
        self.meddle(name)
        if body["metadata"]["resourceVersion"] != str(self.versions[name]):
            return web.json_response({"message": "changed"}, status=409)
        self.writes += 1
        self.written.set()
        self.change(name, body["spec"]["taints"])
        return web.json_response(self._node(name))

    def keys(self, name: str) -> list[str]:
        return [taint["key"] for taint in self.taints[name]]


def kubeconfig(folder: Path, server: str) -> Path:
    file = folder / "kubeconfig"
    content = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
    file.write_text(yaml.safe_dump(content))
    return file


Story = Callable[[World, Nodes, TaintAgent], Awaitable[None]]


def play(folder: Path, story: Story) -> None:
    async def run() -> None:
        made, nodes = world(), Nodes(B, B2)
        runner, port = await serve(nodes.app())
        kube = Kube(kubeconfig(folder, f"http://127.0.0.1:{port}"))
        try:
            await story(made, nodes, TaintAgent(kube, lambda: made.wanted.of(TWO)))
        finally:
            await kube.close()
            await runner.cleanup()

    asyncio.run(run())


def test_lost_quorum_taints_a_node_until_it_is_back(tmp_path: Path) -> None:
    """NoSchedule on the node that lost quorum and on no other; gone when quorum is back; nothing is written in between."""

    async def story(made: World, nodes: Nodes, agent: TaintAgent) -> None:
        await agent.sync()
        assert nodes.writes == 0
        cut_all(made, TWO)
        await agent.sync()
        await agent.sync()
        assert (nodes.keys(B), nodes.keys(B2), nodes.writes) == ([LOST_QUORUM], [], 1)
        assert nodes.taints[B][0]["effect"] == "NoSchedule"
        heal_all(made)
        await agent.sync()
        assert nodes.keys(B) == []
        assert nodes.token == "Bearer t"

    play(tmp_path, story)


def test_who_strips_it_too_early_finds_it_again(tmp_path: Path) -> None:
    """As long as quorum is lost the taint comes back with the next look, and that is counted."""

    async def story(made: World, nodes: Nodes, agent: TaintAgent) -> None:
        cut_all(made, TWO)
        await agent.sync()
        nodes.change(B, [])
        await agent.sync()
        assert (nodes.keys(B), agent.put_back) == ([LOST_QUORUM], 1)

    play(tmp_path, story)


def test_other_peoples_taints_stay(tmp_path: Path) -> None:
    """Also those that were added between the look and the write."""

    async def story(made: World, nodes: Nodes, agent: TaintAgent) -> None:
        def meddle(name: str) -> None:
            nodes.meddle = lambda name: None
            nodes.change(name, [{"key": "theirs", "effect": "NoSchedule"}])

        nodes.meddle = meddle
        cut_all(made, TWO)
        await agent.sync()
        assert nodes.keys(B) == ["theirs", LOST_QUORUM]
        heal_all(made)
        await agent.sync()
        assert nodes.keys(B) == ["theirs"]

    play(tmp_path, story)


def test_a_node_without_power_keeps_what_it_has(tmp_path: Path) -> None:
    """Its agent does not run."""

    async def story(made: World, nodes: Nodes, agent: TaintAgent) -> None:
        cut_all(made, TWO)
        await agent.sync()
        made.faults.lose(f"{TWO}/{B}")
        heal_all(made)
        await agent.sync()
        assert nodes.keys(B) == [LOST_QUORUM]

    play(tmp_path, story)


def test_taints_by_hand_and_for_failing_io(tmp_path: Path) -> None:
    """The knob overrules DRBD; a device that fails its I/O has a taint of its own."""

    async def story(made: World, nodes: Nodes, agent: TaintAgent) -> None:
        made.wanted.by_hand[B] = frozenset({LOST_QUORUM})
        await agent.sync()
        assert nodes.keys(B) == [LOST_QUORUM]
        del made.wanted.by_hand[B]
        made.drbd.resources[VOLUME].replicas[B].force_io_failures = True
        await agent.sync()
        assert nodes.keys(B) == [FORCE_IO_ERROR]

    play(tmp_path, story)


def test_the_loop_outlives_an_api_that_is_away(tmp_path: Path) -> None:
    """Attached through the world's own clusters: an unreachable API is tried again, and taints come when it answers."""

    async def run() -> None:
        made, nodes = world(), Nodes(B)
        cut_all(made, TWO)
        runner, port = await serve(nodes.app())
        await runner.cleanup()
        await made.clusters.attach(
            TWO, kubeconfig(tmp_path, f"http://127.0.0.1:{port}"), 0.02, taints=True, operator=False
        )
        await made.clusters.look(TWO)
        runner, _ = await serve(nodes.app(), port=port)
        async with asyncio.timeout(10):
            await nodes.written.wait()
        await made.clusters.close()
        await runner.cleanup()
        assert nodes.keys(B) == [LOST_QUORUM]

    asyncio.run(run())


def test_a_bad_kubeconfig_is_refused(tmp_path: Path) -> None:
    """With the file's name, and never its content."""
    bad = tmp_path / "kubeconfig"
    bad.write_text("secret: value")
    with pytest.raises(ValueError, match=str(bad)) as caught:
        Kube(bad)
    assert "value" not in str(caught.value)


def test_a_running_guest_on_the_source_taints_nobody_else(tmp_path: Path) -> None:
    """Quorum lost at the source leaves the target's nodes free."""

    async def story(made: World, nodes: Nodes, agent: TaintAgent) -> None:
        written(made, ONE, A)
        cut_all(made, ONE)
        await agent.sync()
        assert nodes.writes == 0
        assert made.wanted.of(ONE)[A] == {LOST_QUORUM}

    play(tmp_path, story)
