"""Virtualenvs for the foreign halves of the contract: py-pure-client and the Cinder releases with their Pure driver.

    python tests/contract/array/provision.py [pure cinder-28 cinder-29]

They stand outside the checkout, in ~/.cache/siterecovery or $SITERECOVERY_CACHE, because the client alone takes 417 MB.
A Cinder venv sees the client through a path file instead of a second copy. Whoever comes second, in the same or another
process, waits for the first and then finds the work done.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import venv
from pathlib import Path

CLIENT = "pure"
REQUIREMENTS = {
    CLIENT: ["py-pure-client==1.96.0"],
    "cinder-28": ["cinder==28.0.0", "setuptools<81"],
    "cinder-29": ["cinder==29.0.0", "setuptools<81"],
}
_READY = "ready"


def python(name: str) -> Path:
    """The interpreter of a venv, made first if it is missing or stands for other versions."""
    home = _cache() / f"{name}-venv"
    home.parent.mkdir(parents=True, exist_ok=True)
    with (home.parent / f"{home.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_ready(home, name):
            _make(home, name)
    return home / "bin" / "python"


def _cache() -> Path:
    return Path(os.environ.get("SITERECOVERY_CACHE") or Path.home() / ".cache" / "siterecovery")


def _is_ready(home: Path, name: str) -> bool:
    ready = home / _READY
    return ready.exists() and ready.read_text() == _stamp(name)


def _stamp(name: str) -> str:
    return "\n".join([sys.version, *REQUIREMENTS[name]])


def _make(home: Path, name: str) -> None:
    """From nothing; a half-made venv has no ready file and is made again."""
    if name != CLIENT:
        python(CLIENT)
    venv.create(home, clear=True, with_pip=True)
    interpreter = home / "bin" / "python"
    subprocess.run(
        ["nice", "-n", "10", str(interpreter), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        + REQUIREMENTS[name],
        check=True,
    )
    if name != CLIENT:
        libraries = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
        (home / libraries / "pure-client.pth").write_text(f"{_cache() / f'{CLIENT}-venv' / libraries}\n")
    (home / _READY).write_text(_stamp(name))


if __name__ == "__main__":
    for wanted in sys.argv[1:] or REQUIREMENTS:
        print(f"{wanted}: {python(wanted)}")
