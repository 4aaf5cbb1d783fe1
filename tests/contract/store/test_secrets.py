"""Array tokens: sealed at rest, readable through the store only."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from siterecovery.protector.domain.policy import Policy
from siterecovery.protector.domain.secret import Secret
from siterecovery.protector.store.errors import SecretUnreadable
from siterecovery.protector.store.secrets import Keys, add_key, create_key_file, retire_keys, rotate
from siterecovery.protector.store.sql_store import SqlStore
from siterecovery.protector.store.tables import metadata
from support.records import group
from support.stores import Open

TOKENS = ("token-of-the-primary", "token-of-the-secondary")


def policy(group_id: str) -> Policy:
    primary, secondary = TOKENS
    return Policy(group_id, "https://a1", Secret(primary), "https://a2", Secret(secondary), "pg")


def save(store: SqlStore, *group_ids: str) -> None:
    with store.begin() as tx:
        for id in group_ids:
            tx.groups.save(group(id))
            tx.policies.save(policy(id))


def everything(raw: sa.Engine) -> str:
    """All rows of all tables, as a thief of the disk would read them."""
    with raw.connect() as connection:
        rows = [connection.exec_driver_sql(f"SELECT * FROM {table.name}").all() for table in metadata.sorted_tables]
    return repr(rows)


def tokens(raw: sa.Engine) -> list[str]:
    with raw.connect() as connection:
        return [
            text
            for row in connection.exec_driver_sql("SELECT primary_fa_token, secondary_fa_token FROM policies")
            for text in row
        ]


def test_no_row_shows_a_token(store: SqlStore, raw: sa.Engine) -> None:
    """A policy comes back with its tokens, and no row of any table holds one in the clear."""
    save(store, "g1")
    assert store.run(lambda tx: tx.policies.get("g1")) == policy("g1")
    assert not [token for token in TOKENS if token in everything(raw)]


def test_another_key_opens_nothing(store: SqlStore, open_again: Open, tmp_path: Path) -> None:
    """With the wrong key file a policy is a clear error that names the file, not a token."""
    save(store, "g1")
    create_key_file(tmp_path / "keys")
    stranger = open_again(keys=Keys.from_file(tmp_path / "keys"))
    with pytest.raises(SecretUnreadable) as refusal:
        stranger.run(lambda tx: tx.policies.get("g1"))
    assert str(tmp_path / "keys") in refusal.value.detail


def test_rotation_seals_every_row_anew(open_again: Open, raw: sa.Engine, tmp_path: Path) -> None:
    """After add, rotate and retire, the old key opens nothing, the new one everything, and nothing is missing."""
    path = tmp_path / "keys"
    create_key_file(path)
    old = path.read_text()
    store = open_again(keys=Keys.from_file(path))
    ids = [f"g{n:03}" for n in range(130)]
    save(store, *ids)
    before = tokens(raw)
    add_key(path)
    assert rotate(store, Keys.from_file(path)) == 130
    retire_keys(path)
    assert not set(before) & set(tokens(raw))
    fresh = open_again(keys=Keys.from_file(path))
    assert [fresh.run(lambda tx, id=id: tx.policies.get(id)) for id in ids] == [policy(id) for id in ids]  # type: ignore[misc]
    path.write_text(old)
    with pytest.raises(SecretUnreadable):
        open_again(keys=Keys.from_file(path)).run(lambda tx: tx.policies.get("g000"))


def test_a_running_process_follows_a_rotation(open_again: Open, tmp_path: Path) -> None:
    """A store that was opened before a key was added reads what was sealed with it, without a restart."""
    path = tmp_path / "keys"
    create_key_file(path)
    running = open_again(keys=Keys.from_file(path))
    save(running, "g1")
    add_key(path)
    rotate(open_again(keys=Keys.from_file(path)), Keys.from_file(path))
    retire_keys(path)
    assert running.run(lambda tx: tx.policies.get("g1")) == policy("g1")
