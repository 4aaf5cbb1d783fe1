"""A Protector's database goes away in the middle of a move and comes back: the move waits for it, or is taken over by whoever finds it back first."""

import contextlib
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.databases import MariaDb, Server, launch
from support.desk import AWAY, HOME, Move, desk
from support.operator import wait_for


@pytest.fixture(scope="module")
def mariadb() -> Iterator[Server]:
    yield from launch(MariaDb)


def missed(move: Move) -> None:
    """The engine has tried to write what it did, or to keep its lease, and could not: which it tries first is chance."""
    said = re.compile(r"journal_away|could not renew leases")
    wait_for("the engine to miss its database", lambda: True if said.search(move.desk.log(move.source)) else None)


def moved(move: Move, before: dict[str, int]) -> None:
    record = move.ended()
    assert (record.status, record.steps_failed) == ("completed", [])
    move.desk.whole(move.target)
    after = move.desk.generations(move.target)
    assert all(after[name] >= before[name] for name in before)
    move.desk.pair.check()


def test_a_sqlite_file_is_locked_by_somebody_else(tmp_path: Path) -> None:
    """Another process keeps the file for longer than any wait: reading goes on, the move stands still, then completes without a thing made twice."""
    with desk(tmp_path) as world:
        before, move = world.generations(HOME), world.move()
        move.reached("recreate_instances")
        with contextlib.closing(
            sqlite3.connect(world.pair.sites[HOME].state / "protector.sqlite", timeout=30)
        ) as other:
            other.execute("BEGIN IMMEDIATE")
            missed(move)
            assert world.operator.clients[HOME].operations.get(move.id).status == "running"
            other.rollback()
        moved(move, before)


def test_mariadb_answers_nothing_for_a_while(tmp_path: Path, mariadb: Server) -> None:
    """The server of both databases is frozen with its connections open: no call waits for ever, and the move completes when it answers again."""
    urls = {site: mariadb.create_database(site.replace("-", "_")) for site in (HOME, AWAY)}
    with desk(tmp_path, databases=urls) as world:
        before, move = world.generations(HOME), world.move()
        move.reached("manage_volumes_cinder")
        mariadb.freeze()
        try:
            missed(move)
        finally:
            mariadb.thaw()
        moved(move, before)


def test_mariadb_is_restarted(tmp_path: Path, mariadb: Server) -> None:
    """The server is stopped and started again: connections that broke in a commit are made anew, and what was committed is not done again."""
    urls = {site: mariadb.create_database(f"{site.replace('-', '_')}_again") for site in (HOME, AWAY)}
    with desk(tmp_path, databases=urls) as world:
        before, move = world.generations(HOME), world.move()
        move.reached("promote_volumes")
        mariadb.stop()
        missed(move)
        mariadb.start()
        moved(move, before)
