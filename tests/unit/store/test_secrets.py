"""Key files and sealing."""

import logging
from pathlib import Path

import pytest

from siterecovery.protector.domain.secret import Secret
from siterecovery.protector.store.errors import SecretUnreadable
from siterecovery.protector.store.secrets import Keys, add_key, create_key_file, retire_keys


@pytest.fixture
def path(tmp_path: Path) -> Path:
    create_key_file(tmp_path / "keys")
    return tmp_path / "keys"


def test_a_new_key_file_is_the_owners_alone(path: Path) -> None:
    """It is made with mode 0600, and a second call leaves it alone."""
    content = path.read_text()
    create_key_file(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text() == content
    assert [found.name for found in path.parent.iterdir()] == ["keys"]


def test_a_secret_is_sealed_and_opened(path: Path) -> None:
    """Sealing hides the value and twice the same value looks different; opening gives it back."""
    keys = Keys.from_file(path)
    one, two = keys.seal(Secret("t0ken ☃")), keys.seal(Secret("t0ken ☃"))
    assert one != two
    assert "t0ken" not in one
    assert keys.open(one) == keys.open(two) == Secret("t0ken ☃")


def test_a_rotation_keeps_owner_and_mode(path: Path) -> None:
    """Adding and retiring keys rewrites the file as it was found, newest key first."""
    path.chmod(0o640)
    (first,) = keys_in(path)
    add_key(path)
    added = keys_in(path)
    retire_keys(path)
    assert added[1:] == [first]
    assert keys_in(path) == added[:1]
    assert path.stat().st_mode & 0o777 == 0o640


def keys_in(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if not line.startswith("#")]


@pytest.mark.parametrize("content", ["", "# nothing\n", "not a key\n", "c2hvcnQ=\n"])
def test_a_file_without_a_usable_key_is_refused(path: Path, content: str) -> None:
    """An empty or damaged key file is a clear error that does not repeat its content."""
    path.write_text(content)
    with pytest.raises(SecretUnreadable) as refusal:
        Keys.from_file(path)
    assert str(path) in refusal.value.detail
    assert "c2hvcnQ" not in refusal.value.detail


def test_an_open_or_missing_file_is_refused(path: Path) -> None:
    """A key file that others can read is not used; a missing one says how to make it."""
    path.chmod(0o644)
    with pytest.raises(SecretUnreadable, match="open to others"):
        Keys.from_file(path)
    path.unlink()
    with pytest.raises(SecretUnreadable) as refusal:
        Keys.from_file(path)
    assert refusal.value.remedy


def test_keys_show_nothing(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Neither a key nor a secret appears in a repr, an error or a log line."""
    keys = Keys.from_file(path)
    with caplog.at_level(logging.DEBUG), pytest.raises(SecretUnreadable) as refusal:
        keys.open("gAAAAA-tampered")
    shown = repr(keys) + str(refusal.value) + repr(refusal.value) + caplog.text
    assert not [key for key in keys_in(path) if key in shown]
    assert "tampered" not in shown
