"""The array's REST client: versions, paging, repetition by class, errors, addresses."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from siterecovery.protector.arrays.flasharray import client as module
from siterecovery.protector.arrays.flasharray.client import ArrayClient, chunks, encode, normal_url, quoted
from siterecovery.protector.arrays.flasharray.errors import kind_of, refusal
from siterecovery.protector.arrays.flasharray.session import choose
from siterecovery.protector.arrays.settings import ArraySettings
from siterecovery.protector.domain.errors import (
    BadRequest,
    CloudBusy,
    CloudConflict,
    CloudError,
    CloudForbidden,
    CloudNotFound,
    CloudRefused,
    CloudUnreachable,
    TokenRejected,
)
from siterecovery.protector.domain.secret import Secret

URL = "https://array.test"
Answer = Callable[[httpx.Request], httpx.Response]


class FakeArray:
    """Plays sessions and identity; everything else is the test's `answer`. `seen` holds the other requests."""

    def __init__(self, answer: Answer, versions: tuple[str, ...] = ("1.19", "2.0", "2.26", "2.99")) -> None:
        self.answer = answer
        self.versions = versions
        self.seen: list[httpx.Request] = []
        self.logins = self.early_ends = 0
        self.identity = "id-1"

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path == "/api/api_version":
            return httpx.Response(200, json={"version": list(self.versions)})
        if path.endswith("/login"):
            self.logins += 1
            return httpx.Response(200, headers={"x-auth-token": f"session-{self.logins}"}, json={"items": []})
        if path.endswith("/logout"):
            return httpx.Response(200, json={})
        if path.endswith("/arrays"):
            if self.early_ends:
                self.early_ends -= 1
                return refused(401, "Invalid session.")
            return items({"id": self.identity, "name": "array-a"})
        self.seen.append(request)
        return self.answer(request)


def items(*rows: dict[str, Any], **more: Any) -> httpx.Response:
    return httpx.Response(200, json={"items": list(rows), "more_items_remaining": False, **more})


def refused(status: int, message: str) -> httpx.Response:
    return httpx.Response(status, json={"errors": [{"context": "v1", "message": message}]})


def connect(array: FakeArray, pauses: list[float] | None = None, **settings: Any) -> ArrayClient:
    noted = pauses if pauses is not None else []
    transport = httpx.MockTransport(array)
    return ArrayClient(URL, Secret("token"), ArraySettings(**settings), transport=transport, sleep=noted.append)


def in_turn(*answers: httpx.Response | Exception) -> Answer:
    left = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        found = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(found, Exception):
            raise found
        return found

    return answer


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (["1.0", "2.0", "2.26"], (2, 26)),
        (["2.26", "2.44", "2.60"], (2, 44)),
        (["2.16"], (2, 16)),
        (["2.11", "2.15", "1.19"], None),
        (["3.0", "odd"], None),
    ],
)
def test_the_newest_tested_version_is_chosen(offered: list[str], chosen: tuple[int, int] | None) -> None:
    """The greatest REST 2 version up to the ceiling and not below the floor."""
    assert choose(offered, (2, 44)) == chosen


def test_an_array_without_a_common_version_is_refused() -> None:
    """Nothing is sent to an array that speaks only what we do not."""
    array = FakeArray(in_turn(items()), versions=("1.19", "2.2"))
    with pytest.raises(CloudRefused, match=r"no REST version between 2\.16 and 2\.44"):
        connect(array).items("volumes")
    assert array.logins == 0


@pytest.mark.parametrize("token", [True, False])
def test_lists_are_read_to_the_end(token: bool) -> None:
    """Pages follow one another by continuation token, or by offset where the array gives none."""

    def answer(request: httpx.Request) -> httpx.Response:
        query = request.url.params
        start = int(query.get("continuation_token", query.get("offset", "0")))
        more = start + 2 < 5
        rows = [{"name": f"v{number}"} for number in range(start, min(start + 2, 5))]
        return items(*rows, more_items_remaining=more, continuation_token=str(start + 2) if token and more else None)

    assert [row["name"] for row in connect(FakeArray(answer)).items("volumes")] == ["v0", "v1", "v2", "v3", "v4"]


@pytest.mark.parametrize(
    "trouble",
    [
        httpx.Response(500, json={"errors": [{"context": None, "message": "Server is busy"}]}),
        httpx.Response(502, text="bad gateway"),
        httpx.Response(429, json={"message": "API rate limit exceeded"}),
        httpx.ReadTimeout("slow"),
        httpx.ConnectError("refused"),
        httpx.RemoteProtocolError("half"),
    ],
)
def test_reads_and_idempotent_changes_are_repeated(trouble: httpx.Response | Exception) -> None:
    """Busy, lost and rate-limited calls are tried again after a pause."""
    acts: list[Callable[[ArrayClient], list[dict[str, Any]]]] = [
        lambda client: client.items("volumes"),
        lambda client: client.put("PATCH", "protection-groups", {}, names=["pg"]),
    ]
    for act in acts:
        pauses: list[float] = []
        array = FakeArray(in_turn(trouble, trouble, items({"name": "v1"})))
        assert act(connect(array, pauses)) == [{"name": "v1"}]
        assert pauses == [0.5, 1.0]


@pytest.mark.parametrize(
    ("trouble", "error"),
    [(refused(500, "Server is busy"), CloudBusy), (httpx.ReadTimeout("slow"), CloudUnreachable)],
)
def test_creations_are_never_repeated(trouble: httpx.Response | Exception, error: type[Exception]) -> None:
    """A POST that may have been applied is told as such after one attempt."""
    array = FakeArray(in_turn(trouble))
    with pytest.raises(error):
        connect(array).once("POST", "volumes", {"provisioned": 1}, names=["v1"])
    assert len(array.seen) == 1


def test_retry_after_is_honoured_within_reason() -> None:
    """The array's own wish decides the pause, up to half a minute."""
    pauses: list[float] = []
    limits = [httpx.Response(429, headers={"Retry-After": text}, json={}) for text in ("3", "500", "soon")]
    connect(FakeArray(in_turn(*limits, items())), pauses).items("volumes")
    assert pauses == [3.0, 30.0, 2.0]


def test_a_dead_session_is_renewed_and_the_call_repeated_once() -> None:
    """401 means log in again, for creations too: an unauthenticated call was not applied."""
    array = FakeArray(in_turn(refused(401, "Invalid session."), items({"name": "v1"})))
    assert connect(array).once("POST", "volumes", {}, names=["v1"]) == [{"name": "v1"}]
    assert array.logins == 2
    assert [request.headers["x-auth-token"] for request in array.seen] == ["session-1", "session-2"]


def test_a_session_that_ends_again_at_once_is_renewed_again() -> None:
    """An array drops its sessions twice in a moment, the second time between login and call: a move is not taken back for that."""
    pauses: list[float] = []
    killed = refused(401, "Invalid session.")
    array = FakeArray(in_turn(killed, killed, items({"name": "v1"})))
    assert connect(array, pauses).once("POST", "volumes", {}, names=["v1"]) == [{"name": "v1"}]
    assert (array.logins, pauses) == (3, [0.5])


def test_a_session_that_ends_before_the_array_has_said_who_it_is() -> None:
    """Between the login and the question for the id, which belongs to it: logged in again."""
    array = FakeArray(in_turn(items()))
    array.early_ends = 1
    connect(array).items("volumes")
    assert array.logins == 2


def test_a_401_after_three_fresh_logins_is_final() -> None:
    """No fifth attempt: the token's rights are the trouble."""
    pauses: list[float] = []
    array = FakeArray(in_turn(refused(401, "Invalid session.")))
    with pytest.raises(TokenRejected):
        connect(array, pauses).items("volumes")
    assert (len(array.seen), pauses) == (4, [0.5, 2.0])


def test_an_array_that_changed_its_identity_is_refused() -> None:
    """The id learnt at the first login must be the same at the next one."""
    array = FakeArray(in_turn(items(), refused(401, "Invalid session."), items()))
    client = connect(array)
    client.items("volumes")
    array.identity = "id-2"
    with pytest.raises(CloudRefused, match="another array than before"):
        client.items("volumes")


def test_at_most_four_calls_are_in_flight() -> None:
    """Sixteen threads, never more than four of them inside the array."""
    lock, inside, most = threading.Lock(), 0, 0
    gate = threading.Barrier(4, timeout=5)

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        gate.wait()
        with lock:
            inside -= 1
        return items()

    client = connect(FakeArray(answer))
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: client.items("volumes"), range(16)))
    assert most == module.IN_FLIGHT


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (400, "Volume does not exist.", CloudNotFound),
        (400, "No such volume or snapshot.", CloudNotFound),
        (400, "Volume already exists.", CloudConflict),
        (400, "Volume has been destroyed.", CloudConflict),
        (400, "Volume cannot be deleted due to existing connections.", CloudConflict),
        (400, "Invalid combination of parameters specified.", CloudRefused),
        (401, "Invalid session.", TokenRejected),
        (403, "Operation not permitted.", CloudForbidden),
        (404, "Not found.", CloudRefused),
        (415, "Unsupported media type.", CloudRefused),
        (429, "API rate limit exceeded", CloudBusy),
        (500, "Server is busy", CloudBusy),
        (503, "", CloudBusy),
    ],
)
def test_the_arrays_sentence_decides_the_kind(status: int, message: str, kind: type[CloudError]) -> None:
    """The array says 400 to every mistake: its words tell them apart, and stay in the error."""
    error = refusal(URL, "GET volumes", refused(status, message))
    assert type(error) is kind
    assert message in error.detail
    assert error.http_status == status


def test_a_batch_is_only_not_found_when_all_of_it_is() -> None:
    """One missing and one refused for another reason is not "gone"."""
    rows = [{"context": "a", "message": "Volume does not exist."}, {"context": "b", "message": "Invalid name."}]
    assert type(refusal(URL, "x", httpx.Response(400, json={"errors": rows}))) is CloudRefused


def test_every_httpx_error_is_mapped() -> None:
    """A new kind of error in httpx fails here until somebody has thought about it."""
    foreign = [
        error
        for error in (getattr(httpx, name) for name in httpx.__all__)
        if isinstance(error, type) and issubclass(error, Exception) and not issubclass(error, httpx.StreamError)
    ]
    groups = (httpx.HTTPError, httpx.RequestError)  # never raised themselves
    never_raised_by_us = (httpx.HTTPStatusError, httpx.CookieConflict)
    unmapped = [e for e in foreign if kind_of(e.__new__(e)) is CloudError and e not in (*groups, *never_raised_by_us)]
    assert unmapped == []


def test_queries_are_escaped_item_by_item() -> None:
    """Colons and slashes are escaped, the comma between items is not, booleans are lower case."""
    query: dict[str, module.Value] = {"names": ["array-a:pg.s", "vg/v,1"], "replicate_now": True, "limit": 5}
    assert encode(query) == "limit=5&names=array-a%3Apg.s,vg%2Fv%2C1&replicate_now=true"


def test_quotes_in_a_filter_cannot_end_the_string() -> None:
    """A name with a quote stays one string."""
    assert quoted("it's") == r"'it\'s'"


def test_long_lists_of_names_are_portioned() -> None:
    """250 names are three queries, none twice."""
    names = [f"v{number:03d}" for number in range(250)]
    portions = list(chunks([*names, "v000"]))
    assert [len(portion) for portion in portions] == [100, 100, 50]
    assert sorted(name for portion in portions for name in portion) == names


@pytest.mark.parametrize(
    ("given", "normal"),
    [("array.test", URL), ("https://array.test/", URL), (" https://array.test:8443 ", f"{URL}:8443")],
)
def test_addresses_have_one_form(given: str, normal: str) -> None:
    """However an address is written, it is compared in one form."""
    assert normal_url(given) == normal


@pytest.mark.parametrize(
    "given", ["http://array.test", "ftp://a", "https://", "file:///etc/passwd", "https://u:p@a", "https://a/api", ""]
)
def test_other_addresses_are_refused(given: str) -> None:
    """Plain HTTP would show the token; anything else is no array."""
    with pytest.raises(BadRequest, match="no address of an array"):
        normal_url(given)


def test_a_broken_fingerprint_is_refused_with_the_command_to_get_one() -> None:
    """A pin that cannot match anything is a mistake in the configuration."""
    with pytest.raises(BadRequest, match="fingerprint") as caught:
        connect(FakeArray(in_turn(items())), fingerprints={URL: "abc"})
    assert "openssl" in caught.value.remedy
