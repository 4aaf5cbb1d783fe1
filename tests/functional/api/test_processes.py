"""The programs as an operator starts them."""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from functional.api.keystone import FakeKeystone

BIN = Path(sys.executable).parent
CONF = """
[DEFAULT]
site_name = site-a
state_path = {state}
[api]
port = 0
[database]
connection = sqlite:///{state}/protector.sqlite
[service_auth]
auth_url = {keystone}
password = SERVICE-PASSWORD
[keystone_authtoken]
auth_type = password
auth_url = {keystone}
www_authenticate_uri = {keystone}
username = protector
password = SERVICE-PASSWORD
project_name = service
user_domain_name = Default
project_domain_name = Default
"""


@pytest.fixture
def conf(tmp_path: Path, keystone: FakeKeystone) -> Path:
    file = tmp_path / "protector.conf"
    file.write_text(CONF.format(state=tmp_path, keystone=keystone.url))
    return file


def run(program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [str(BIN / program), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def api(conf: Path, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str, Path]]:
    run("protector-manage", "--config-file", conf, "db", "sync")
    log = tmp_path / "api.log"
    with log.open("w") as out:
        process = subprocess.Popen([BIN / "protector-api", "--config-file", conf], stderr=out, text=True)
    deadline = time.monotonic() + 30
    found = None
    while found is None and time.monotonic() < deadline and process.poll() is None:
        found = re.search(r"listens on (\S+)", log.read_text())
        os.sched_yield()
    assert found is not None, log.read_text()
    yield process, f"http://{found[1]}", log
    if process.poll() is None:
        process.kill()
    process.wait(10)


def test_the_service_answers_and_ends_at_sigterm(api: tuple[subprocess.Popen[str], str, Path]) -> None:
    """Exit code 0; nothing of its configuration's secrets is in the log."""
    process, url, log = api
    with urllib.request.urlopen(f"{url}/healthcheck", timeout=10) as answer:
        assert answer.read() == b"OK"
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert "SERVICE-PASSWORD" not in log.read_text()


def test_the_database_is_prepared_and_checked(conf: Path, tmp_path: Path) -> None:
    """`db sync` makes tables and keys; `upgrade check` fails before it and only warns after it."""
    assert run("protector-status", "--config-file", conf, "upgrade", "check").returncode == 2
    assert run("protector-manage", "--config-file", conf, "db", "sync").returncode == 0
    assert (tmp_path / "secrets.key").stat().st_mode & 0o077 == 0
    assert (tmp_path / "identity.key").stat().st_mode & 0o077 == 0
    checked = run("protector-status", "--config-file", conf, "upgrade", "check")
    assert (checked.returncode, "Failure" in checked.stdout) == (1, False)
    assert run("protector-manage", "--config-file", conf, "secrets", "rotate").returncode == 0


@pytest.mark.parametrize("program", ["protector-api", "protector-engine"])
def test_a_bad_configuration_ends_a_service_with_one_sentence(program: str, tmp_path: Path) -> None:
    """Exit code 1, no traceback."""
    (tmp_path / "bad.conf").write_text("[DEFAULT]\n")
    done = run(program, "--config-file", tmp_path / "bad.conf")
    assert done.returncode == 1
    assert done.stderr.startswith(f"{program}: [")
    assert "Traceback" not in done.stderr


def test_the_sample_configuration_is_printed() -> None:
    """Without any configuration at hand."""
    done = run("protector-manage", "config", "sample")
    assert (done.returncode, "[keystone_authtoken]" in done.stdout) == (0, True)
