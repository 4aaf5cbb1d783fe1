"""Secrets at rest: sealed with keys from a file that only the service can read.

The file holds one Fernet key a line; the first seals, all open. To rotate: `add_key`, let every process have the file, `rotate`
(which seals all rows anew), `retire_keys`. A process that meets a value sealed with a key it does not know reads its file again.
"""

import os
import shutil
import stat
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from siterecovery.protector.domain.secret import Secret
from siterecovery.protector.store.errors import SecretUnreadable

if TYPE_CHECKING:
    from siterecovery.protector.store.sql_store import SqlStore

BATCH = 100
_COMMENT = "# Keys of Protector's stored secrets, newest first. Without them the array tokens must be entered again.\n"


class Keys:
    """Never shows a key."""

    def __init__(self, keys: Sequence[str], path: Path | None = None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._fernet = _fernet(keys, path)

    @classmethod
    def from_file(cls, path: Path | str) -> "Keys":
        """SecretUnreadable when the file is missing, readable by others, or holds no key."""
        path = Path(path)
        return cls(_read(path), path)

    def seal(self, secret: Secret) -> str:
        return self._fernet.encrypt(secret.reveal().encode()).decode()

    def open(self, sealed: str) -> Secret:
        """SecretUnreadable when none of the keys fits."""
        return Secret(self._try(lambda fernet: fernet.decrypt(sealed)).decode())

    def reseal(self, sealed: str) -> str:
        """The same secret under the newest key."""
        return self._try(lambda fernet: fernet.rotate(sealed)).decode()

    def _try(self, use: Callable[[MultiFernet], bytes]) -> bytes:
        try:
            return use(self._fernet)
        except InvalidToken:
            pass  # the file may have got a newer key since it was read
        try:
            return use(self._reload())
        except InvalidToken:
            raise SecretUnreadable(
                f"A stored secret does not open with the keys in {self._path or 'use'}.",
                remedy="Restore the key file it was sealed with, or enter the policy's tokens again.",
            ) from None

    def _reload(self) -> MultiFernet:
        if self._path is not None:
            with self._lock:
                self._fernet = _fernet(_read(self._path), self._path)
        return self._fernet

    def __repr__(self) -> str:
        return f"Keys({str(self._path)!r})"


def create_key_file(path: Path | str) -> None:
    """Makes the file with one new key, mode 0600, unless it is there."""
    path = Path(path)
    if not path.exists():
        _write(path, [Fernet.generate_key().decode()])


def add_key(path: Path | str) -> None:
    """Puts a new key in front: from now on it seals; the older ones still open."""
    path = Path(path)
    _write(path, [Fernet.generate_key().decode(), *_read(path)])


def retire_keys(path: Path | str) -> None:
    """Leaves only the newest key. Only after `rotate`: what older keys sealed cannot be opened any more."""
    path = Path(path)
    _write(path, _read(path)[:1])


def rotate(store: "SqlStore", keys: Keys) -> int:
    """Seals every stored secret with the newest key; answers how many policies it went through. May be run again at any time."""
    done, after = 0, ""
    while True:
        resealed = store.reseal(keys, after, BATCH)
        if not resealed:
            return done
        done, after = done + len(resealed), resealed[-1]


def _read(path: Path) -> list[str]:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        lines = path.read_text().splitlines()
    except OSError as error:
        raise SecretUnreadable(
            f"The key file {path} cannot be read ({error.strerror}).",
            remedy="Restore it, or make one with `protector-manage db sync`.",
        ) from None
    if mode & 0o037:  # a group that may read, such as the service's own, is the operator's choice
        raise SecretUnreadable(f"The key file {path} is open to others.", remedy=f"Run `chmod 600 {path}`.")
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def _write(path: Path, keys: Sequence[str]) -> None:
    """Whole or not at all: a half-written key file would lose every secret."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(_COMMENT + "\n".join(keys) + "\n")
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            shutil.copystat(path, fresh)
            os.chown(fresh, path.stat().st_uid, path.stat().st_gid)
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise


def _fernet(keys: Sequence[str], path: Path | None) -> MultiFernet:
    try:
        return MultiFernet([Fernet(key) for key in keys])
    except ValueError:
        raise SecretUnreadable(
            f"{path or 'The key list'} holds no usable key.", remedy="One url-safe base64 key of 32 bytes a line."
        ) from None
