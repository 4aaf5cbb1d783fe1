"""Two fake sites, and `openstack` with the credentials of both."""

import json
import os
import pathlib
import warnings
from collections.abc import Iterator

import pytest

from unit.protectorclient.fake_site import Body, FakeSite, group
from unit.protectorclient.harness import Openstack, Result, Terminal, openstack_main, register


@pytest.fixture
def site_a() -> Iterator[FakeSite]:
    site = FakeSite("site-a")
    yield site
    site.stop()


@pytest.fixture
def site_b() -> Iterator[FakeSite]:
    site = FakeSite("site-b")
    yield site
    site.stop()


@pytest.fixture
def web(site_a: FakeSite, site_b: FakeSite) -> Body:
    """The group prod-web-app, active on site-a, as site-a holds it. Site-b holds a copy."""
    register(site_a, site_b)
    record = group("prod-web-app")
    site_a.groups.append(record)
    site_b.groups.append(dict(record))
    return record


@pytest.fixture
def openstack(site_a: FakeSite, site_b: FakeSite, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Openstack:
    """Run `openstack …` with the credentials of both sites, polling without pause."""
    config = tmp_path / "clouds.yaml"
    config.write_text(json.dumps({"clouds": {"site-a": site_a.cloud, "site-b": site_b.cloud}}))
    for name in [name for name in os.environ if name.startswith(("OS_", "PROTECTOR_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(config))
    monkeypatch.setenv("PROTECTOR_POLL_INTERVAL", "0")
    monkeypatch.setenv("OS_CLOUD", "site-a")
    monkeypatch.setenv("OS_SECONDARY_CLOUD", "site-b")
    monkeypatch.setenv("COLUMNS", "200")

    def run(line: str, *more: str, stdin: str | None = None, tty: bool = False, **env: str | None) -> Result:
        with monkeypatch.context() as patch, warnings.catch_warnings():
            for name, value in env.items():
                if value is None:
                    patch.delenv(name)
                else:
                    patch.setenv(name, value)
            patch.setattr("sys.stdin", Terminal(stdin or "", tty=stdin is not None))
            return openstack_main([*line.split(), *more], tty=tty)

    return run
