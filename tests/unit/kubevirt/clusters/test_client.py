"""What the client makes of a server's answers, on real HTTP; the same against a real API server is in tests/kubernetes/groups."""

import asyncio
import json

import pytest
from aiohttp import web

from siterecovery.kubevirt.clusters import answers, base
from siterecovery.kubevirt.clusters.access import Access, StaticToken
from siterecovery.kubevirt.clusters.client import ClusterClient
from siterecovery.kubevirt.domain.resources import NODES, PROTECTION_GROUPS, VIRTUAL_MACHINE_CALLS


class Server:
    """Answers as it is told, and keeps what it was asked."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    async def answer(self, request):
        body = await request.text()
        self.asked.append((request.method, request.path_qs, dict(request.headers), json.loads(body) if body else None))
        answer = self.answers.pop(0)
        if callable(answer):
            return await answer(request)
        status, body = answer
        return (
            web.json_response(body, status=status)
            if not isinstance(body, str)
            else web.Response(text=body, status=status)
        )


def play(server, story, token=None, **options):
    async def scene():
        made = web.Application()
        made.router.add_route("*", "/{path:.*}", server.answer)
        runner = web.AppRunner(made, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        client = ClusterClient("c1", Access(f"http://127.0.0.1:{port}", token=token or StaticToken("t")), **options)
        try:
            return await story(client)
        finally:
            await client.close()
            await runner.cleanup()

    return asyncio.run(scene())


def status(code, reason="", message="said so", **details):
    return code, {"kind": "Status", "code": code, "reason": reason, "message": message, "details": details}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (status(404, "NotFound", name="x"), base.NotFound),
        ((404, "404 page not found"), base.NotServed),
        (status(404, message="the server could not find the requested resource"), base.NotServed),
        (status(409, "Conflict", name="x"), base.Conflict),
        (status(409, "AlreadyExists", name="x"), base.AlreadyExists),
        (status(410, "Expired"), base.Gone),
        (status(403, "Forbidden", name="x"), base.Forbidden),
        (status(422, "Invalid", name="x"), base.Invalid),
        (status(500, message='failed calling webhook "x"'), base.Unavailable),
        (status(503), base.Unavailable),
        (status(504, "Timeout"), base.TimedOut),
        (status(429), base.Unavailable),
        (
            status(403, message="the request has been made before all known HTTP paths have been installed"),
            base.Unavailable,
        ),
        ((302, "moved"), base.Unavailable),
        ((418, "<html>a proxy</html>"), base.Unavailable),
    ],
)
def test_each_answer_has_one_error(answer, error):
    """Every refusal and every doubt has its own class, and a sentence with cluster, verb, object and what was said."""

    async def story(client):
        with pytest.raises(base.ClusterError) as caught:
            await client.get(PROTECTION_GROUPS, "x", "ns")
        return caught.value

    found = play(Server(answer), story)
    assert type(found) is error
    assert str(found).startswith("c1: get ProtectionGroup ns/x: ")
    assert found.cluster == "c1"


def test_silence_and_broken_connections_are_unknown():
    """A server that hangs is TimedOut, one that hangs up in the middle Unreachable."""

    async def hang(request):
        await asyncio.sleep(5)

    async def hang_up(request):
        request.transport.close()
        return web.Response()

    async def story(client):
        with pytest.raises(base.TimedOut):
            await client.get(NODES, "n")
        with pytest.raises(base.Unreachable):
            await client.get(NODES, "n")

    play(Server(hang, hang_up, hang_up), story, timeout=1.5)


def test_a_refused_token_is_asked_for_anew_once():
    """After a 401 the newest token is tried; a second 401 is Forbidden."""

    class Tokens:
        def __init__(self):
            self.left = ["new", "old"]

        async def value(self):
            return self.left[-1]

        def forget(self):
            self.left = self.left[:1]

    async def story(client):
        await client.get(NODES, "n")
        with pytest.raises(base.Forbidden):
            await client.get(NODES, "n")

    server = Server(status(401), (200, {}), status(401), status(401))
    play(server, story, Tokens())
    assert [asked[2]["Authorization"] for asked in server.asked] == [
        "Bearer old",
        "Bearer new",
        "Bearer new",
        "Bearer new",
    ]


def test_a_list_that_is_overtaken_by_compaction_is_asked_for_whole():
    """When the next page is gone the list is read again in one piece, and each item says what it is."""

    async def story(client):
        return await client.list(NODES, labels="a=b")

    page = {"metadata": {"continue": "token", "resourceVersion": "5"}, "items": [{"metadata": {"name": "n1"}}]}
    whole = {
        "metadata": {"resourceVersion": "9"},
        "items": [{"metadata": {"name": "n1"}}, {"metadata": {"name": "n2"}}],
    }
    server = Server((200, page), status(410, "Expired"), (200, whole))
    listing = play(server, story)
    assert [item["metadata"]["name"] for item in listing.items] == ["n1", "n2"]
    assert (listing.resource_version, listing.items[0]["kind"]) == ("9", "Node")
    assert ["limit=" in asked[1] for asked in server.asked] == [True, True, False]
    assert "labelSelector=a%3Db" in server.asked[0][1]


def test_a_watch_takes_long_lines_in_pieces():
    """Events longer than any buffer arrive whole; an ERROR event is the error it says; half a line is a broken stream."""

    def streaming(*parts):
        async def answer(request):
            response = web.StreamResponse()
            await response.prepare(request)
            for part in parts:
                await response.write(part)
            return response

        return answer

    def line(kind, **obj):
        return json.dumps({"type": kind, "object": obj}).encode() + b"\n"

    long = line("ADDED", metadata={"name": "n", "resourceVersion": "7"}, data="x" * 500_000)
    gone = line("ERROR", code=410, reason="Expired", message="too old resource version")

    async def follow(client, seen):
        async for event in client.watch(NODES, since="1"):
            seen.append(event)

    async def story(client):
        seen = []
        with pytest.raises(base.Gone):
            await follow(client, seen)
        with pytest.raises(base.Unreachable):
            await follow(client, seen)
        return seen

    server = Server(streaming(long[:200_000], long[200_000:], gone), streaming(b"{half\n"))
    seen = play(server, story)
    assert [(event.type, len(event.object["data"])) for event in seen] == [("ADDED", 500_000)]
    assert "allowWatchBookmarks=true" in server.asked[0][1]


def test_a_silent_watch_times_out():
    """Without a word for as long as was asked, the watch ends as TimedOut."""

    async def silent(request):
        response = web.StreamResponse()
        await response.prepare(request)
        await asyncio.sleep(5)

    async def story(client):
        with pytest.raises(base.TimedOut):
            async for _ in client.watch(NODES, since="1", silence=0.1):
                pass

    play(Server(silent), story)


def test_writes_are_what_the_api_wants():
    """Patches, applies, deletions and calls carry their content types, field managers and preconditions."""

    async def story(client):
        await client.patch(NODES, "n", None, {"a": 1}, manager="m")
        await client.apply(PROTECTION_GROUPS, PROTECTION_GROUPS.header("g", "ns"), manager="m", subresource="status")
        await client.delete(NODES, "n", uid="u", resource_version="3")
        await client.call(VIRTUAL_MACHINE_CALLS, "vm1", "ns", "start")
        await client.update(NODES, {"metadata": {"name": "n"}})

    server = Server((200, {}), (200, {}), (200, {}), (202, ""), (200, {}))
    play(server, story)
    patch, apply, delete, call, update = server.asked
    assert (patch[2]["Content-Type"], patch[1]) == ("application/merge-patch+json", "/api/v1/nodes/n?fieldManager=m")
    assert apply[2]["Content-Type"] == "application/apply-patch+yaml"
    assert apply[1].endswith("/namespaces/ns/protectiongroups/g/status?fieldManager=m&force=true")
    assert delete[3]["preconditions"] == {"uid": "u", "resourceVersion": "3"}
    assert (call[0], call[1]) == ("PUT", "/apis/subresources.kubevirt.io/v1/namespaces/ns/virtualmachines/vm1/start")
    assert (update[0], update[1]) == ("PUT", "/api/v1/nodes/n")


def test_a_body_that_is_no_object_is_empty():
    """A proxy's page or a bare list is no document."""
    assert [answers.document(body) for body in (b"", b"<html>", b"[1]", b'{"a": 1}')] == [{}, {}, {}, {"a": 1}]


def test_a_namespaced_object_needs_its_namespace():
    """Addressing a namespaced object without a namespace is a mistake of the caller."""
    with pytest.raises(ValueError, match="namespace"):
        PROTECTION_GROUPS.path(None, "x")


def test_equal_lists_at_the_same_time_are_asked_for_once_more_and_not_each():
    """Nine who ask while a list is on its way share the next one; other questions are not kept waiting."""
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(request):
        begun.set()
        await go_on.wait()
        return web.json_response({"items": [], "metadata": {"resourceVersion": "1"}})

    newer = 200, {"items": [{"metadata": {"name": "n"}}], "metadata": {"resourceVersion": "2"}}
    server = Server(slow, newer, newer)

    async def story(client):
        first = asyncio.create_task(client.list(NODES))
        await begun.wait()
        later = [asyncio.create_task(client.list(NODES)) for _ in range(9)]
        other = await client.list(NODES, labels="a=b")
        go_on.set()
        return (await first).items, {len((await listing).items) for listing in later}, len(other.items)

    assert play(server, story) == ((), {1}, 1)
    assert len(server.asked) == 3
