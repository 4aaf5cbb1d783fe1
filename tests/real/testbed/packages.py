"""Installing what the test bed runs: three Debian packages and one virtualenv.

`install` is safe to repeat: what is there is not touched, and the virtualenv counts only with its completion mark.
"""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from .errors import InstallError
from .layout import LOCK, Layout

# A program that proves a package -> the package. open-iscsi has no daemon here: os-brick looks for a feature in the
# text of /sbin/iscsiadm, and without it Nova cannot attach a volume that came in by Cinder's manage.
DEBIAN = {
    "/usr/sbin/mariadbd": "mariadb-server",
    "/usr/lib/rabbitmq/bin/rabbitmq-server": "rabbitmq-server",
    "/usr/sbin/iscsiadm": "open-iscsi",
}
COMPLETE = "testbed-complete"


def installed(layout: Layout) -> bool:
    """Whether `install` has nothing left to do."""
    return not missing_packages() and (layout.venv / COMPLETE).exists()


def missing_packages() -> list[str]:
    """The Debian packages that are not there."""
    return [package for program, package in DEBIAN.items() if not Path(program).exists()]


def install(layout: Layout) -> None:
    """Bring in everything that is missing; InstallError says what could not be had."""
    packages = missing_packages()
    if packages:
        _install_debian(packages)
    if not (layout.venv / COMPLETE).exists():
        _make_venv(layout.venv)


def _install_debian(packages: Sequence[str]) -> None:
    """Install packages with apt, and keep apt from starting the distribution's own MariaDB and RabbitMQ."""
    command = "apt-get install " + " ".join(packages)
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise InstallError(f"missing {', '.join(packages)}: run `{command}` as root on Debian, then try again")
    with _services_stay_down():
        _run(["apt-get", "update", "-q"])
        _run(["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages])


@contextlib.contextmanager
def _services_stay_down() -> Iterator[None]:
    """Answer 101 ("not allowed") to invoke-rc.d while apt works, unless this machine already has such a policy."""
    policy = Path("/usr/sbin/policy-rc.d")
    if policy.exists():
        yield
        return
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink()


def _make_venv(venv: Path) -> None:
    """Make the virtualenv anew from the lock file, check it, patch it, and only then mark it complete.

    Byte code is compiled by hand, without the FlashArray client: it ships a generated client for each REST version,
    more than a gigabyte, of which the services import two.
    """
    shutil.rmtree(venv, ignore_errors=True)
    _run([sys.executable, "-m", "venv", venv])
    pip: list[str | Path] = [venv / "bin" / "python", "-m", "pip"]
    _run([*pip, "install", "-q", "--no-compile", "-r", LOCK])
    _run([*pip, "check"])
    packages = next((venv / "lib").glob("python3*/site-packages"))
    quicken_replies(packages / "oslo_messaging" / "_drivers" / "amqpdriver.py")
    _run([venv / "bin" / "python", "-m", "compileall", "-q", "-j", "2", "-x", r"/pypureclient/|/tests/", packages])
    (venv / COMPLETE).touch()


def quicken_replies(source: Path) -> None:
    """Make the services look for a reply on the message bus every 10 ms instead of every half second.

    The release's oslo.messaging waits for the answer of a remote call by looking into a queue and sleeping half a
    second, so that each of Nova's calls to its conductor costs that much and a boot takes eight seconds. Later releases
    block on the queue (Launchpad bug 2035113). A shorter sleep changes nothing but the pace; only this virtualenv is
    touched.
    """
    text = source.read_text()
    slow = "time.sleep(0.5)"
    if text.count(slow) != 1:
        raise InstallError(
            f"{source} does not wait as expected: the lock file's oslo.messaging and this patch disagree"
        )
    source.write_text(text.replace(slow, "time.sleep(0.01)"))


def _run(command: Sequence[str | Path]) -> None:
    """Run a command of the installation with its output shown."""
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        subprocess.run([str(part) for part in command], check=True, env=env)
    except (subprocess.CalledProcessError, OSError) as error:
        raise InstallError(f"{' '.join(str(part) for part in command)}: {error}") from error
