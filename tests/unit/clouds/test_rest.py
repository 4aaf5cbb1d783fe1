"""Calls of one service: what is repeated, how lists are read, which versions are asked for, how tokens are renewed."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from siterecovery.protector.clouds import request_id
from siterecovery.protector.clouds.base import CinderVolume, Disk, ServerSpec
from siterecovery.protector.clouds.rest import few
from siterecovery.protector.clouds.retry import Pace
from siterecovery.protector.clouds.session import http_session
from siterecovery.protector.domain.errors import (
    CloudBusy,
    CloudRefused,
    CloudUnreachable,
    TokenRejected,
)
from siterecovery.protector.domain.member import Rebuild
from siterecovery.workflow.ownership import owned
from siterecovery.workflow.step import Fenced
from unit.clouds.fake_cloud import PROJECT, FakeCloud, Seen, access, clouds_on, pages

BUSY = (503, {"message": "later"})
SERVER = {"id": "i1", "name": "web", "status": "ACTIVE", "tenant_id": PROJECT}
SPEC = ServerSpec("web", "f1", (Disk("v1", 0),), ("port-1",), Rebuild("f1", "m1"), {}, "op/step")


def a_volume(identity: str, **more: Any) -> dict[str, Any]:
    return {"id": identity, "status": "available", "size": 1, "os-vol-tenant-attr:tenant_id": PROJECT, **more}


@pytest.mark.parametrize("trouble", [BUSY, (429, {}), (500, {}), requests.ConnectionError("reset")])
def test_reads_are_repeated(trouble: Any) -> None:
    """A busy or silent service is asked again, a little later."""
    fake = FakeCloud({"GET /nova/servers/i1": [trouble, trouble, {"server": SERVER}]})
    pauses: list[float] = []
    server = clouds_on(fake, pauses=pauses).tenant("s1", PROJECT).compute.server("i1")
    assert server is not None
    assert len(pauses) == 2


def test_reads_give_up() -> None:
    """After four attempts the last error is told."""
    fake = FakeCloud({"GET /nova/servers/i1": BUSY})
    pauses: list[float] = []
    with pytest.raises(CloudBusy, match=r"Nova on site site-b: GET /servers/i1: later \(HTTP 503\)"):
        clouds_on(fake, pauses=pauses).tenant("s1", PROJECT).compute.server("i1")
    assert len(fake.calls("GET /nova/servers/i1")) == 4


def test_retry_after_is_honoured() -> None:
    """The service's own wish decides the pause, within reason."""
    answers = [(429, {}, {"Retry-After": "7"}), (429, {}, {"Retry-After": "9999"}), {"server": SERVER}]
    fake = FakeCloud({"GET /nova/servers/i1": answers})
    pauses: list[float] = []
    clouds_on(fake, pauses=pauses).tenant("s1", PROJECT).compute.server("i1")
    assert pauses == [7.0, Pace().patience]


@pytest.mark.parametrize(
    ("trouble", "error"), [(BUSY, CloudBusy), (requests.ConnectionError("reset"), CloudUnreachable)]
)
def test_creations_are_never_repeated(trouble: Any, error: type[Exception]) -> None:
    """After one lost answer nobody knows: the caller is told at once, and no second server is asked for."""
    fake = FakeCloud({"POST /nova/servers": trouble})
    with pytest.raises(error):
        clouds_on(fake).tenant("s1", PROJECT).compute.create(SPEC)
    assert len(fake.calls("POST /nova/servers")) == 1


def test_lists_are_read_to_the_end() -> None:
    """Three pages of servers are one list."""
    servers = [{**SERVER, "id": f"i{number}"} for number in range(25)]
    fake = FakeCloud({"GET /nova/servers/detail": pages(servers, "servers", 10)})
    found = clouds_on(fake).tenant("s1", PROJECT).compute.servers()
    assert [server.id for server in found] == [server["id"] for server in servers]


def test_a_list_whose_marker_vanished_is_read_again() -> None:
    """The thing a page ended with was deleted: the services refuse the next page, and the list starts anew."""
    calls = iter(["first", "vanished", "all"])

    def answer(seen: Seen) -> Any:
        match next(calls):
            case "first":
                return {"servers": [{**SERVER, "id": "gone"}], "servers_links": [{"rel": "next"}]}
            case "vanished":
                return 400, {"badRequest": {"message": "marker [gone] not found"}}
            case _:
                return {"servers": [SERVER]}

    found = clouds_on(FakeCloud({"GET /nova/servers/detail": answer})).tenant("s1", PROJECT).compute.servers()
    assert [server.id for server in found] == ["i1"]


def test_a_few_are_asked_for_side_by_side() -> None:
    """Three gets take as long as one; what is not there is left out, and more than a few are somebody else's business."""
    together = threading.Barrier(3, timeout=10)

    def find(id: str) -> str | None:
        together.wait()
        return None if id == "b" else id.upper()

    assert few(["c", "b", "a", "a"], find) == ["A", "C"]
    assert few(["a", "b", "c", "d"], find) is None
    assert few(None, find) is None


def test_few_ids_are_got_and_many_are_listed() -> None:
    """Up to three volumes cost a get each, more of them one list."""
    volumes = [a_volume(f"v{number}") for number in range(10)]
    fake = FakeCloud({f"GET /cinder/volumes/{v['id']}": {"volume": v} for v in volumes})
    fake.answers["GET /cinder/volumes/detail"] = {"volumes": volumes}
    volume_calls = clouds_on(fake).tenant("s1", PROJECT).volumes
    assert len(volume_calls.volumes(volume_ids=["v1", "v2", "nowhere"])) == 2
    assert "GET /cinder/volumes/detail" not in fake.calls()
    fake.seen.clear()
    assert len(volume_calls.volumes(volume_ids=["v1", "v2", "v3", "v4", "nowhere"])) == 4
    assert fake.calls() == ["GET /cinder/volumes/detail"]


def test_microversions_are_pinned_and_negotiated() -> None:
    """Each call names the version it was written for, and no newer one than the service speaks."""
    fake = FakeCloud({"GET /nova/servers/i1": {"server": SERVER}, "GET /cinder/volumes/v1": {"volume": a_volume("v1")}})
    cloud = clouds_on(fake).tenant("s1", PROJECT)
    cloud.compute.server("i1")
    cloud.volumes.volume("v1")
    assert [seen.headers["OpenStack-API-Version"] for seen in fake.seen] == ["compute 2.73", "volume 3.70"]
    assert fake.seen[0].headers["X-OpenStack-Nova-API-Version"] == "2.73"


def test_too_old_a_service_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a service cannot do is told with both versions, before anything is sent."""
    from unit.clouds import fake_cloud

    old = {"id": "v2.1", "status": "CURRENT", "version": "2.40", "min_version": "2.1"}
    link = {"links": [{"rel": "self", "href": f"{fake_cloud.HOST}/nova"}]}
    monkeypatch.setitem(fake_cloud.VERSIONS, "/nova", {"versions": [{**old, **link}]})
    fake = FakeCloud()
    with pytest.raises(CloudRefused, match=r"speaks microversions up to 2\.40 only; 2\.52 is needed"):
        clouds_on(fake).tenant("s1", PROJECT).compute.create(SPEC)
    assert fake.calls() == []


def test_versions_and_tokens_are_asked_once() -> None:
    """A thousand calls need one login: nothing is discovered per call."""
    fake = FakeCloud({"GET /nova/servers/i1": {"server": SERVER}})
    cloud = clouds_on(fake).tenant("s1", PROJECT)
    for _ in range(20):
        cloud.compute.server("i1")
    assert len(fake.logins) == 1
    assert len(fake.seen) == 20


def test_a_token_that_died_is_renewed_once_for_all() -> None:
    """Sixteen threads meet the 401 in the middle of an operation: one logs in anew, all of them succeed."""
    fake = FakeCloud({"GET /nova/servers/i1": {"server": SERVER}})
    cloud = clouds_on(fake).tenant("s1", PROJECT)
    cloud.compute.server("i1")
    fake.dead_tokens.add("token-1")
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: cloud.compute.server("i1"), range(64)))
    assert None not in found
    assert len(fake.logins) == 2


def test_a_token_is_there_for_everybody_while_one_asks_for_a_fresh_one() -> None:
    """Four threads use the token while a fifth makes sure two thousand times that a fresh one can be had: nobody ever finds none."""
    actor = clouds_on(FakeCloud()).tenant("s1", PROJECT).compute._nova._actor  # type: ignore[attr-defined]
    checked = threading.Event()

    def use() -> int:
        used = 0
        while not checked.is_set():
            assert actor.token()
            used += 1
        return used

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            users = [pool.submit(use) for _ in range(4)]
            for _ in range(2000):
                actor.check()
            checked.set()
            assert all(user.result() for user in users)
    finally:
        checked.set()
        sys.setswitchinterval(interval)


def test_a_token_that_dies_again_at_once_is_renewed_again() -> None:
    """Keystone's keys are being rotated, and the token just fetched is not known everywhere yet: the call is asked for again, a moment later."""
    refusal, pauses = (401, {"error": {"message": "no"}}), list[float]()
    fake = FakeCloud({"GET /nova/servers/i1": [refusal, refusal, {"server": SERVER}]})
    assert clouds_on(fake, pauses=pauses).tenant("s1", PROJECT).compute.server("i1") is not None
    assert (len(fake.logins), pauses) == (3, [0.5])


def test_a_401_with_three_fresh_tokens_is_final() -> None:
    """Fresh tokens that are refused too mean a broken delegation: no fifth try."""
    fake = FakeCloud({"GET /nova/servers/i1": (401, {"error": {"message": "no"}})})
    with pytest.raises(TokenRejected):
        clouds_on(fake).tenant("s1", PROJECT).compute.server("i1")
    assert len(fake.calls("GET /nova/servers/i1")) == 4


def test_half_an_answer_is_not_an_answer() -> None:
    """A body cut off in the middle counts as busy, and is asked for again."""
    fake = FakeCloud({"GET /nova/servers/i1": [b'{"server": {"id"', {"server": SERVER}]})
    assert clouds_on(fake).tenant("s1", PROJECT).compute.server("i1") is not None


def test_calls_say_who_and_for_which_operation() -> None:
    """The User-Agent names our site, the global request id the operation, and neither leaks a password."""
    fake = FakeCloud({"GET /nova/servers/i1": {"server": SERVER}})
    cloud = clouds_on(fake).tenant("s1", PROJECT)
    operation = "7f3d5e4c-0f5c-4b6e-9a51-0d7c4f6f9b11"
    with request_id.carry(operation):
        cloud.compute.server("i1")
    cloud.compute.server("i1")
    inside, outside = fake.seen
    assert inside.headers["User-Agent"].startswith("protector/")
    assert inside.headers["User-Agent"].endswith(" (site-a)")
    assert inside.headers["X-Openstack-Request-Id"] == f"req-{operation}"
    assert "X-Openstack-Request-Id" not in outside.headers
    assert "pass-word" not in str(fake.seen)


def test_an_operation_id_of_any_form_becomes_a_request_id() -> None:
    """Services ignore ids that are not req-<uuid>."""
    first, again = request_id.for_operation("op-1"), request_id.for_operation("op-1")
    assert first == again
    assert len(first) == len("req-") + 36


def test_every_call_has_time_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The session's adapter adds (connect, read) to whatever comes without, keystoneauth's own calls included."""
    seen: list[Any] = []

    def record(self: Any, request: Any, **options: Any) -> requests.Response:
        seen.append(options["timeout"])
        return requests.Response()

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", record)
    session = http_session(access(connect_timeout=1.5, read_timeout=20.0))
    adapter, request = session.get_adapter("http://cloud"), requests.Request("GET", "http://cloud").prepare()
    adapter.send(request, timeout=None)
    adapter.send(request, timeout=(9, 9))
    assert seen == [(1.5, 20.0), (9, 9)]
    assert session.trust_env is False


@pytest.mark.parametrize(
    ("shown", "size", "status"),
    [("creating", 0, "managing"), ("error", 0, "error_managing"), ("error", 1, "error"), ("creating", 1, "creating")],
)
def test_states_of_managing_are_told_apart(shown: str, size: int, status: str) -> None:
    """Cinder shows a volume being managed as creating, and a failed one as error; without a size it is one being managed."""
    volume = a_volume("v1") | {"status": shown, "size": size}
    found = clouds_on(FakeCloud({"GET /cinder/volumes/v1": {"volume": volume}})).tenant("s1", PROJECT).volumes
    seen = found.volume("v1")
    assert seen is not None
    assert seen.status == status


def test_the_fallback_name_of_an_array_volume() -> None:
    """Without the driver's hint the name follows Cinder's template."""
    fake = FakeCloud({"GET /cinder/volumes/v1": {"volume": a_volume("v1", metadata={"array_volume_name": "x"})}})
    fake.answers["GET /cinder/volumes/v2"] = {"volume": a_volume("v2")}
    found: list[CinderVolume] = clouds_on(fake).tenant("s1", PROJECT).volumes.volumes(volume_ids=["v1", "v2"])
    assert [volume.array_volume_name for volume in found] == ["x", "volume-v2-cinder"]


@pytest.mark.parametrize("trouble", [BUSY, (401, {}), requests.ConnectionError("reset")])
def test_a_change_is_not_repeated_for_somebody_who_has_lost_its_lease(trouble: Any) -> None:
    """An engine that was frozen while a call was under way wakes and would say it again: it asks whether it may, and reads on."""
    fake = FakeCloud({"POST /nova/servers/i1/action": [trouble, {}], "GET /nova/servers/i1": {"server": SERVER}})
    compute = clouds_on(fake).tenant("s1", PROJECT).compute
    held = [True]

    def check() -> None:
        if not held:
            raise Fenced("the lease is lost")
        held.pop()

    with pytest.raises(Fenced):
        owned(check, lambda: compute.unlock("i1"))
    assert len(fake.calls("POST /nova/servers/i1/action")) == 1
    assert owned(check, lambda: compute.server("i1")) is not None
