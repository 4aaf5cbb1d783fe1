"""What a person gets wrong, on the real processes: the documented status, message and exit code, all that is unmet at once, and nothing changed
anywhere."""

import contextlib
import sqlite3
import subprocess
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import requests

from support.desk import AWAY, HOME, VMS, Desk, desk
from support.operator import BACK, FLAVORS_THERE, THERE, session
from support.site_pair import BIN

_LIVELY = {"operations_seq", "engines", "alembic_version"}
_TIMES = {"time", "generation", "updated_at", "created", "snapshots", "write_rate", "serial", "started", "history"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """The protected group `prod`, and `bare`, which has neither policy nor members."""
    with desk(tmp_path_factory.mktemp("world")) as made:
        made.operator.clients[HOME].protection_groups.create(
            name="bare",
            primary_site=HOME,
            secondary_site=AWAY,
            replication_type="async",
            volume_type="replicated-ssd",
        )
        made.pair.check()
        yield made


@pytest.fixture(autouse=True)
def unchanged(world: Desk) -> Iterator[None]:
    """Neither cloud, array nor database is other than it was."""
    before = everything(world)
    yield
    after = everything(world)
    assert {name for name in before if before[name] != after[name]} == set()


def everything(world: Desk) -> dict[str, Any]:
    """By place, without what moves by itself: guests write, engines say that they are there, replication goes on."""
    state = world.state()
    found = {**_still(state["clouds"]), **_still(state["arrays"])}
    for site, protector in world.pair.sites.items():
        with contextlib.closing(sqlite3.connect(protector.state / "protector.sqlite", timeout=30)) as database:
            tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            for table in sorted(set(tables) - _LIVELY):
                found[f"{site} {table}"] = sorted(map(repr, database.execute(f"SELECT * FROM {table}")))
    return found


def _still(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _still(item) for key, item in value.items() if key not in _TIMES}
    return [_still(item) for item in value] if isinstance(value, list) else value


# ---------------------------------------------------------------------------------------------------- the command line

SITES = ("--primary-site", HOME, "--secondary-site", AWAY)
NEW = ("protection-group", "create", "--name", "new", *SITES, "--replication-type", "async")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("failover", "nobody"), 1, ["No protection group", "nobody"]),
        (("failback", "prod"), 4, ["Protection Group is not in failed_over state"]),
        (("failover", "bare"), 5, ["no replication policy", "openstack dr policy create", "no members"]),
        (
            ("failover", "prod", "--flavor-mapping", "m1.large=nothing"),
            5,
            ["net-primary-web", "net-primary-db", "m1.large"],
        ),
        ((*NEW, "--volume-type", "standard"), 5, ["replication_enabled='<is> True'", "list-volume-types"]),
        ((*NEW, "--volume-type", "nowhere"), 5, ["'nowhere' does not exist"]),
        (("protection-group", "create", "--name", "new"), 1, ["--primary-site", "--secondary-site"]),
        (("member", "add", "prod", "--instance-id", "nobody"), 5, ["No instance 'nobody'"]),
        (("failover", "prod", "--type", "sideways"), 1, ["sideways"]),
        (("failover", "prod", "--sideways"), 2, ["--sideways"]),
        (("operation", "show", "nobody"), 1, ["nobody"]),
    ],
    ids=lambda value: " ".join(value[:3]) if isinstance(value, tuple) else None,
)
def test_the_command_says_what_is_wrong_and_exits_as_documented(
    world: Desk, arguments: Sequence[str], code: int, words: list[str]
) -> None:
    """The message is on standard error, and names what to do."""
    done = openstack(world, *arguments)
    assert (done.returncode, [word for word in words if word not in done.stderr]) == (code, []), done.stderr
    assert "Traceback" not in done.stderr


def test_a_strangers_cloud_does_not_know_the_group(world: Desk) -> None:
    """Another project's user is told that there is no such group, not that it is somebody else's."""
    done = openstack(world, "protection-group", "show", world.group, user="-mallory")
    assert (done.returncode, "HTTP 403" in done.stderr) == (1, False), done.stderr
    assert "o protection group" in done.stderr


def openstack(world: Desk, *arguments: str, user: str = "") -> "subprocess.CompletedProcess[str]":
    clouds = {"OS_CLOUD": f"{HOME}{user}", "OS_SECONDARY_CLOUD": f"{AWAY}{user}"}
    environment = {**world.pair.environment, **clouds}
    command = [BIN / "openstack", "dr", *arguments]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL, check=False
    )


# ---------------------------------------------------------------------------------------------------------------- REST

MOVE = {"network_mapping": THERE, "flavor_mapping": FLAVORS_THERE}


@pytest.mark.parametrize(
    ("body", "status", "codes"),
    [
        ({"failback": {"reverse_replication": True}}, 409, ["protection_group.wrong_state"]),
        ({"failover": {"network_mapping": BACK}}, 412, ["mapping.flavor_unresolved", "mapping.network_unresolved"]),
        ({"failover": {**MOVE, "sideways": True}}, 400, ["body.invalid"]),
        ({"failover": MOVE, "failback": {}}, 400, ["body.invalid"]),
        ({"failover": {"network_mapping": ["a", "b"]}}, 400, ["body.invalid"]),
        ({"failover": {**MOVE, "force": "perhaps"}}, 400, ["body.invalid"]),
        ({}, 400, ["body.invalid"]),
        ([], 400, ["body.invalid"]),
        ({"sideways": {}}, 400, ["body.invalid"]),
        ({"failover": {**MOVE, "force": True}}, 409, ["protection_group.ask_target"]),
    ],
    ids=lambda value: str(value)[:60] if isinstance(value, dict | list) else None,
)
def test_an_action_that_cannot_be_is_refused(world: Desk, body: Any, status: int, codes: list[str]) -> None:
    """The status of the guideline, a stable code, a sentence, and the request's id."""
    answer = ask(world, "POST", f"/protection-groups/{world.group}/action", json=body)
    errors = answer.json()["errors"]
    assert (answer.status_code, sorted({error["code"] for error in errors})) == (status, codes), errors
    assert all(error["detail"] and error["request_id"].startswith("req-") for error in errors)


@pytest.mark.parametrize(
    ("text", "kind", "status"),
    [("{", "application/json", 400), ("\xff\xfe", "application/json", 400), ("a=b", "text/plain", 400)],
)
def test_a_body_that_is_no_json_is_refused(world: Desk, text: str, kind: str, status: int) -> None:
    """With a sentence, not with a traceback."""
    path = f"/protection-groups/{world.group}/action"
    answer = ask(world, "POST", path, data=text.encode("latin-1"), headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (status, "body.malformed")


@pytest.mark.parametrize("token", [None, "", "nonsense", "gAAAAABnonsense"])
def test_a_bad_token_opens_nothing(world: Desk, token: str | None) -> None:
    """401, on every path but the version document's."""
    for method, path in (("GET", "/protection-groups"), ("POST", f"/protection-groups/{world.group}/action")):
        assert ask(world, method, path, token=token, json={"failover": MOVE}).status_code == 401


def test_another_projects_path_is_forbidden_and_its_group_unknown(world: Desk) -> None:
    """403 where the path's project is not the token's; 404 for somebody else's group in one's own."""
    auth_url = world.pair.world["sites"][HOME]["auth_url"]
    stranger = session(auth_url, "mallory", "other")
    token, own = stranger.get_token(), stranger.get_project_id()
    path = f"/protection-groups/{world.group}/action"
    assert ask(world, "POST", path, token=token, json={"failover": MOVE}).status_code == 403
    answer = ask(world, "POST", path, token=token, project=own, json={"failover": MOVE})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (404, "protection_group.not_found")


def test_all_that_is_unmet_is_told_in_one_answer(world: Desk) -> None:
    """No policy, no members: both, each with its remedy."""
    bare = next(g for g in world.operator.clients[HOME].protection_groups.list() if g.name == "bare")
    answer = ask(world, "POST", f"/protection-groups/{bare.id}/action", json={"failover": MOVE})
    found = {error["code"]: error["remedy"] for error in answer.json()["errors"]}
    assert (answer.status_code, set(found)) == (412, {"policy.missing", "members.missing"})
    assert all(found.values())


@pytest.mark.parametrize("member", VMS[:1])
def test_a_member_is_not_added_twice(world: Desk, member: str) -> None:
    """409 with a code of its own."""
    answer = ask(
        world,
        "POST",
        f"/protection-groups/{world.group}/members",
        json={"member": {"instance_id": world.server(HOME, member)}},
    )
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (409, "member.exists")


def ask(
    world: Desk, method: str, path: str, *, token: str | None = "own", project: str | None = None, **options: Any
) -> requests.Response:
    own = world.operator.sessions[HOME]
    known = own.get_token() if token == "own" else token
    headers = {**options.pop("headers", {}), **({"X-Auth-Token": known} if known is not None else {})}
    headers["OpenStack-API-Version"] = "protector 1.2"
    url = f"http://127.0.0.1:{world.pair.sites[HOME].port}/v1/{project or own.get_project_id()}{path}"
    return requests.request(method, url, headers=headers, timeout=60, **options)
