"""The SDK without the command line: what Horizon and scripts use."""

import io

import pytest
from keystoneauth1.adapter import Adapter
from keystoneauth1.identity.v3 import Password
from keystoneauth1.session import Session

from protectorclient import exceptions
from protectorclient.osc.output import duration
from protectorclient.osc.progress import Progress
from protectorclient.v1 import Client
from protectorclient.v1.base import Resource
from protectorclient.v1.waiting import Pace, until
from unit.protectorclient.fake_site import Body, FakeSite, refusal
from unit.protectorclient.harness import Terminal


@pytest.fixture
def session(site_a: FakeSite) -> Session:
    auth = site_a.cloud["auth"]
    return Session(auth=Password(**auth))


def test_client_over_a_session(session: Session, web: Body) -> None:
    """A session is enough: the endpoint is found in the catalog, records are read by attribute."""
    client = Client(session)
    (group,) = client.protection_groups.list()
    assert (group.name, group.status, group.unheard_of) == ("prod-web-app", "active", None)
    assert client.protection_groups.get("prod-web-app").id == web["id"]


@pytest.mark.parametrize("ending", ["/dr", "/dr/", "/dr/v1", "/dr/v1/", "/dr/v1/%(project_id)s"])
def test_client_over_an_adapter(session: Session, site_a: FakeSite, web: Body, ending: str) -> None:
    """An adapter's endpoint is taken over, however it is written in the catalog."""
    url = site_a.url + ending.replace("%(project_id)s", site_a.project_id)
    client = Client(Adapter(session, endpoint_override=url, region_name="RegionOne"), api_version="1.1")
    assert len(client.operations.list()) == 0
    assert site_a.seen[-1].headers["OpenStack-API-Version"] == "protector 1.1"


def test_endpoint_by_service_name(session: Session, site_a: FakeSite, web: Body) -> None:
    """Where the catalog has another type for it, the name `protector` is enough."""
    site_a.service = ("disaster-recovery", "protector")
    assert len(Client(session).protection_groups.list()) == 1
    site_a.service = ("disaster-recovery", "another")
    session.invalidate()
    with pytest.raises(exceptions.EndpointNotFound):
        Client(session).protection_groups.list()


def test_errors_carry_every_entry(session: Session, site_a: FakeSite, web: Body) -> None:
    """An error has its status, the code of the first entry, all entries with their remedies, and the request id."""
    error = refusal(412, "policy.missing", "No policy", remedy="create one")
    error.entries += ({"code": "members.none", "detail": "No members"},)
    site_a.refuse("POST", "/action", error)
    with pytest.raises(exceptions.PreconditionFailed) as caught:
        Client(session).protection_groups.action(web["id"], "failover", force=False)
    assert (caught.value.status, caught.value.code, caught.value.request_id) == (412, "policy.missing", "req-1")
    assert [(entry.code, entry.remedy) for entry in caught.value.entries] == [
        ("policy.missing", "create one"),
        ("members.none", ""),
    ]


@pytest.mark.parametrize("body", [None, [], {"errors": "none"}, {"errors": []}, "<html>"])
def test_answers_that_are_no_errors(body: object) -> None:
    """A page of a proxy is an error too, named by its status."""
    error = exceptions.from_answer(502, body, reason="Bad Gateway")
    assert isinstance(error, exceptions.ServerError)
    assert str(error) == "The server answered 502 Bad Gateway"


def test_paths_cannot_be_escaped(session: Session, site_a: FakeSite, web: Body) -> None:
    """A name with a slash stays one part of the path."""
    with pytest.raises(exceptions.NotFound):
        Client(session).operations.get("../protection-groups")
    assert site_a.seen[-1].path.endswith("/operations/..%2Fprotection-groups")


class Time:
    """A clock that moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def pace(self, **limits: float) -> Pace:
        return Pace(interval=8, clock=lambda: self.now, sleep=self.sleep, **limits)


def test_waiting_looks_sooner_first() -> None:
    """The first looks come quickly, the later ones at the interval."""
    time, answers = Time(), iter(range(7))
    assert until(lambda: next(answers), lambda value: value == 6, time.pace(), what="it") == 6
    assert time.slept == [1, 2, 4, 8, 8, 8]


def test_waiting_ends_after_too_much_silence() -> None:
    """Silence is borne for the time of grace and not longer; other errors end the waiting at once."""
    time = Time()

    def silent() -> int:
        raise exceptions.SiteUnreachable("nobody")

    with pytest.raises(exceptions.SiteUnreachable):
        until(silent, lambda _: True, time.pace(grace=60), what="it")
    assert 60 < time.now < 80

    def missing() -> int:
        raise exceptions.NotFound(404, [exceptions.ErrorEntry("not_found", "gone")])

    with pytest.raises(exceptions.NotFound):
        until(missing, lambda _: True, time.pace(grace=60), what="it")


def test_progress_tells_the_time_left() -> None:
    """The rest is reckoned from the pace since the first look, not from the start of the operation."""
    time, stream = Time(), Terminal(tty=True)
    progress = Progress(stream, lambda: time.now)
    progress.update(Resource(progress=20, status="running", current_step="a"))
    time.now = 30
    progress.update(Resource(progress=50, status="running", current_step="b"))
    progress.finish()
    assert "50%  running  b  about 50 s left" in stream.getvalue()
    assert "left" not in stream.getvalue().split("\r")[1]


def test_progress_without_a_terminal() -> None:
    """What has not changed is not told again."""
    stream = io.StringIO()
    progress = Progress(stream)
    for percent in (0, 0, 10, 10):
        progress.update(Resource(progress=percent, status="running"))
    assert stream.getvalue() == "  0% running\n 10% running\n"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (-5, "0 s"), (59.9, "59 s"), (60, "1 min"), (250, "4 min 10 s"), (90061, "1 d 1 h")],
)
def test_duration(seconds: float, text: str) -> None:
    """A duration has its two largest units."""
    assert duration(seconds) == text
