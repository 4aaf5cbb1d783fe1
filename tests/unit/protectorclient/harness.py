"""The real `openstack` shell, run in this process, and what it printed."""

import contextlib
import dataclasses
import io
import json
import logging
import os
import pathlib
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from unit.protectorclient.fake_site import Body, FakeSite

with warnings.catch_warnings():
    # OpenStackClient warns about itself while it is imported; that is not ours to fail on.
    warnings.simplefilter("ignore")
    from openstackclient import shell


@dataclasses.dataclass(frozen=True)
class Result:
    """What a call of `openstack` did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def rows(self) -> list[list[str]]:
        """The cells of a printed table, heading first; a cell that goes on in the next line is one cell."""
        rows: list[list[str]] = []
        for line in self.out.splitlines():
            if line.startswith("|"):
                cells = [cell.strip() for cell in line.strip("|").split("|")]
                if rows and not cells[0]:
                    rows[-1] = [f"{old} {new}".strip() for old, new in zip(rows[-1], cells, strict=True)]
                else:
                    rows.append(cells)
        return rows

    @property
    def fields(self) -> dict[str, str]:
        return {row[0]: row[1] for row in self.rows[1:]}


class Terminal(io.StringIO):
    """A stream that says whether a person is there."""

    def __init__(self, text: str = "", *, tty: bool = False) -> None:
        super().__init__(text)
        self._tty = tty

    def isatty(self) -> bool:
        return self._tty


Openstack = Callable[..., Result]


def register(*sites: FakeSite) -> None:
    """Both sites known to each."""
    for site in sites:
        for other in sites:
            kind = "primary" if other.name == "site-a" else "secondary"
            record = {
                "id": f"id-{other.name}",
                "name": other.name,
                "site_type": kind,
                "auth_url": other.cloud["auth"]["auth_url"],
            }
            record |= {"region_name": "RegionOne", "status": "active", "is_local": other is site}
            site.sites.append(record)


def make_openstack(clouds: Body, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Openstack:
    """`openstack …` with these clouds and nothing else of this machine; OS_CLOUD is site-a, the other one site-b."""
    config = tmp_path / "clouds.yaml"
    config.write_text(json.dumps({"clouds": clouds}))
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


def openstack_main(argv: list[str], *, tty: bool) -> Result:
    out, err = Terminal(tty=False), Terminal(tty=tty)
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = shell.main(argv)
            except SystemExit as end:
                code = int(end.code or 0)
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    return Result(code, out.getvalue(), err.getvalue())
