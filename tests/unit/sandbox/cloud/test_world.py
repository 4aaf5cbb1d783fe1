"""A whole world: what can be turned on its control port, and what its command does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.cli import main
from sandbox.latency import Latency
from sandbox.stack import Stack
from sandbox.world import Running, WorldConfig, background

QUICK = {"boot": 0.05, "volume": 0.01, "stop": 0.01, "delete": 0.01}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A world with the demo workload."""
    config = WorldConfig(latency=Latency.parse(QUICK), workload=True)
    with background(tmp_path_factory.mktemp("world"), config) as world:
        yield world


def ask(url: str, body: Any = None, method: str = "GET", **headers: str) -> tuple[int, Any, dict[str, str]]:
    """One call: status, JSON and headers, whatever comes back."""
    data = json.dumps(body).encode() if body is not None else None
    sent = {"Content-Type": "application/json", **{key.replace("_", "-"): value for key, value in headers.items()}}
    request = urllib.request.Request(url, data, sent, method="POST" if body is not None and method == "GET" else method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.loads(answer.read() or b"null"), dict(answer.headers)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read() or b"null"), dict(error.headers)


def control(running: Running, path: str, body: Any = None, method: str = "GET") -> Any:
    """A call of the control port that must succeed."""
    status, answer, _ = ask(running.description["control"] + path, body, method)
    assert status < 300, answer
    return answer


def login(running: Running, site: str = "site-a") -> str:
    """A token of dr-admin."""
    domain = {"name": "Default"}
    user = {"name": "dr-admin", "domain": domain, "password": "s3cr3t"}
    scope = {"project": {"name": "production", "domain": domain}}
    identity = {"methods": ["password"], "password": {"user": user}}
    url = running.description["sites"][site]["auth_url"] + "/auth/tokens"
    status, _, headers = ask(url, {"auth": {"identity": identity, "scope": scope}})
    assert status == 201
    return headers["X-Subject-Token"]


def servers(running: Running, token: str, **headers: str) -> tuple[int, Any]:
    """List servers on site-a."""
    url = running.description["sites"]["site-a"]["services"]["compute"] + "/v2.1/servers"
    return ask(url, X_Auth_Token=token, **headers)[:2]


def test_guests_and_state_show_the_workload(running: Running) -> None:
    """Three guests run on site-a, each with an identity of its own, on five volumes; site-b has none."""
    guests = control(running, "/guests")
    assert {guest["name"]: len(guest["volumes"]) for guest in guests["site-a"]} == {
        "web-server-1": 2,
        "web-server-2": 1,
        "db-server": 2,
    }
    assert len({guest["identity"] for guest in guests["site-a"]}) == 3
    assert guests["site-b"] == []
    state = control(running, "/state")
    assert {volume["name"] for volume in state["clouds"]["site-a"]["volumes"]} == {
        "vol-boot-ws1",
        "vol-data-ws1",
        "vol-boot-ws2",
        "vol-boot-db",
        "vol-data-db",
    }
    projects = [state["clouds"][site]["projects"]["production"] for site in ("site-a", "site-b")]
    assert projects[0] != projects[1]
    assert "s3cr3t" not in json.dumps(state)


def test_replicated_group_is_allowed_on_both_arrays(running: Running) -> None:
    """Cinder's start-up has made cinder-group on each array with the other as its target."""
    state = control(running, "/state")
    for name in ("array-a", "array-b"):
        assert "cinder-group" in json.dumps(state["arrays"][name])


def test_lost_site_answers_nobody(running: Running) -> None:
    """Cloud, array and door of a lost site drop the connection, and answer again after its return."""
    token = login(running)
    control(running, "/sites/site-a/down", {})
    door = running.description["sites"]["site-a"]["protector"]
    try:
        for url in (running.description["sites"]["site-a"]["auth_url"], door):
            with pytest.raises((ConnectionError, urllib.error.URLError)):
                ask(url)
    finally:
        control(running, "/sites/site-a/up", {})
    assert servers(running, token)[0] == 200


def test_cut_link_stops_only_calls_from_the_other_site(running: Running) -> None:
    """While the sites are cut, site-b's Protector does not reach site-a, and a user does."""
    token = login(running)
    control(running, "/links/cut", {"sites": ["site-a", "site-b"]})
    try:
        with pytest.raises((ConnectionError, urllib.error.URLError)):
            servers(running, token, User_Agent="protector/1.0 (site-b)")
        assert servers(running, token, User_Agent="protector/1.0 (site-a)")[0] == 200
        assert servers(running, token)[0] == 200
    finally:
        control(running, "/links/heal", {"sites": ["site-a", "site-b"]})


def test_fault_rule_shapes_a_cloud_call(running: Running) -> None:
    """A rule for one target fails the next call there once."""
    token = login(running)
    rule = {"target": "site-a/compute", "path": "/servers", "mode": "fail", "status": 503, "body_text": "{}"}
    control(running, "/faults", rule)
    assert [servers(running, token)[0] for _ in range(2)] == [503, 200]


def test_expired_tokens_are_refused_in_keystones_words(running: Running) -> None:
    """After all tokens are forgotten a service answers 401 and where to log in."""
    token = login(running)
    assert control(running, "/clouds/site-a/tokens/expire", {})["expired"] >= 1
    url = running.description["sites"]["site-a"]["services"]["compute"] + "/v2.1/servers"
    status, body, headers = ask(url, X_Auth_Token=token)
    assert (status, body["error"]["title"]) == (401, "Unauthorized")
    assert running.description["sites"]["site-a"]["auth_url"] in headers["WWW-Authenticate"]


def test_knobs_refuse_nonsense(running: Running) -> None:
    """Unknown clouds, users, services, times and rules are refused with what there is."""
    base = running.description["control"]
    for path, body, status in (
        ("/clouds/nowhere/tokens/expire", {}, 404),
        ("/clouds/site-a/tokens/expire", {"user": "nobody"}, 404),
        ("/clouds/site-a/services", {"down": ["nova-api"]}, 400),
        ("/clouds/site-a/builds/fail", {"count": "many"}, 400),
        ("/clouds/site-a/policy", {"x": "rule:unheard-of"}, 400),
        ("/latency", {"bot": 1}, 400),
        ("/latency", {"boot": -1}, 400),
        ("/sites/site-a/protector", {"port": "http"}, 400),
    ):
        answer = ask(base + path, body)
        assert (answer[0], bool(answer[1]["error"])) == (status, True), path


def test_latency_changes_while_it_runs(running: Running) -> None:
    """The profile is shown and changed as a whole; the rest stays."""
    before = control(running, "/latency")
    assert control(running, "/latency", {"boot": 8})["boot"] == 8
    assert control(running, "/latency", {"boot": before["boot"]}) == before


class Behind(BaseHTTPRequestHandler):
    """A Protector's stand-in: says what it was asked."""

    def do_GET(self) -> None:
        body = json.dumps({"path": self.path, "agent": self.headers["User-Agent"]}).encode()
        self.send_response(418)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-Openstack-Request-Id", "req-1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


def test_door_passes_everything_on(running: Running) -> None:
    """The door gives path, query, headers and status through; with nobody behind it, it says so."""
    url = running.description["sites"]["site-b"]["protector"]
    assert ask(url)[0] == 502
    with HTTPServer(("127.0.0.1", 0), Behind) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        control(running, "/sites/site-b/protector", {"port": server.server_address[1]})
        status, body, headers = ask(url + "/v1/x?a=1%2F2", User_Agent="protector/1 (site-b)")
        server.shutdown()
        thread.join()
    control(running, "/sites/site-b/protector", {"port": None})
    assert (status, body) == (418, {"path": "/v1/x?a=1%2F2", "agent": "protector/1 (site-b)"})
    assert headers["X-Openstack-Request-Id"] == "req-1"


def test_clouds_yaml_is_private_and_names_everybody(running: Running) -> None:
    """clouds.yaml has every user of both sites and nobody else may read it."""
    path = Path(running.description["clouds_yaml"])
    names = set(yaml.safe_load(path.read_text())["clouds"])
    users = ("", "-operator", "-mallory", "-protector")
    assert names == {f"site-{site}{user}" for site in "ab" for user in users}
    assert path.stat().st_mode & 0o077 == 0


def test_configuration_names_what_it_does_not_know(tmp_path: Path) -> None:
    """A configuration file is read whole; an unknown setting, and what is no YAML, is refused by name."""
    file = tmp_path / "world.yaml"
    file.write_text("latency: {boot: 8, boot_concurrency: 50}\nseed: false\n")
    config = WorldConfig.read(file)
    assert (config.latency.boot, config.latency.boot_concurrency, config.seed) == (8, 50, False)
    for text, word in (("sead: true", "sead"), ("latency: {boot_concurrency: 0}", "boot_concurrency"), ("{", "YAML")):
        file.write_text(text)
        with pytest.raises(ValueError, match=word):
            WorldConfig.read(file)


def test_foreground_world_says_ready_and_ends_on_sigterm(tmp_path: Path) -> None:
    """`sandbox world` prints READY with its URLs and is gone after SIGTERM."""
    command = [sys.executable, "-m", "sandbox", "world", "--state", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        word, _, text = process.stdout.readline().partition(" ")
        description = json.loads(text)
        status = ask(description["sites"]["site-a"]["auth_url"])[0]
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
    assert (word, status) == ("READY", 200)
    assert json.loads((tmp_path / "world.json").read_text()) == description


def test_up_and_down_leave_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`up` leaves a world running that `status` sees and `fault` reaches; `down` ends exactly that."""
    state = ["--state", str(tmp_path)]
    try:
        assert main(["up", "--world-only", "--no-workload", *state]) == 0
        (process,) = Stack(tmp_path).registry.all()
        assert process.alive
        assert "OS_SECONDARY_CLOUD=site-b" in (tmp_path / "env").read_text()
        assert main(["fault", *state, "site-down", "site-b"]) == 0
        assert main(["status", *state]) == 0
        assert main(["fault", *state, "site-down", "site-c"]) == 1
    finally:
        main(["down", *state])
    assert not process.alive
    assert main(["status", *state]) == 1
    said = capsys.readouterr()
    assert "no site 'site-c'" in said.err


def test_reused_pid_is_never_ended(tmp_path: Path) -> None:
    """A pid that belongs to somebody else by now is left alone."""
    stack = Stack(tmp_path)
    (tmp_path / "processes.json").write_text(json.dumps([{"name": "world", "pid": os.getpid(), "started": 1}]))
    assert [process.alive for process in stack.registry.all()] == [False]
    assert stack.down() == []
    assert stack.registry.all() == []
