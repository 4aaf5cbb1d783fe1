"""Real database servers for tests: MariaDB and PostgreSQL on free ports of 127.0.0.1, with their data in a temporary directory.

A server is started at its first use, lives as long as the test session, and is ended by its pid; should the session be killed, the kernel
ends it too. Nothing is skipped: where the programs are missing, Debian's packages are installed (which takes root).
"""

import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from support.parting import die_with_parent

HOST = "127.0.0.1"
USER = "protector"
PASSWORD = "s3cret"
READY_WITHIN = 60.0


class Server:
    """A server process that can be stopped, frozen and started again on the same port with the same data."""

    kind: str
    packages: tuple[str, ...]
    service: str
    quick_end: signal.Signals = signal.SIGTERM

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix=f"siterecovery-{self.kind}-"))
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, database: str = "protector") -> str:
        raise NotImplementedError

    def prepare(self) -> None:
        """Makes an empty data directory."""
        raise NotImplementedError

    def command(self) -> list[str]:
        raise NotImplementedError

    def account(self) -> str | None:
        """The user to run as; None: this one."""
        return None

    def start(self) -> None:
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                preexec_fn=die_with_parent,
                start_new_session=True,  # a Ctrl-C in the terminal is ours to handle
                **_identity(self.account()),
            )
        self._wait()

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.send_signal(self.quick_end)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def create_database(self, name: str) -> str:
        """Answers its URL."""
        engine = sa.create_engine(self.url(""), isolation_level="AUTOCOMMIT", poolclass=sa.pool.NullPool)
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        return self.url(name)

    def freeze(self) -> None:
        """It keeps its connections and answers nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _wait(self) -> None:
        engine = sa.create_engine(self.url(""), poolclass=sa.pool.NullPool)
        give_up = time.monotonic() + READY_WITHIN
        while True:
            try:
                with engine.connect():
                    return
            except sa.exc.OperationalError as error:
                if time.monotonic() > give_up or self._process is None or self._process.poll() is not None:
                    raise RuntimeError(f"{self.kind} did not start: {(self.directory / 'log').read_text()}") from error
            time.sleep(0.1)


class MariaDb(Server):
    kind = "mariadb"
    packages = ("mariadb-server",)
    service = "mariadb"

    def url(self, database: str = "protector") -> str:
        return f"mysql+pymysql://{USER}:{PASSWORD}@{HOST}:{self.port}/{database}"

    def prepare(self) -> None:
        install = ["mariadb-install-db", "--no-defaults", f"--datadir={self.directory}/data", "--skip-test-db"]
        _run([*install, "--auth-root-authentication-method=normal", f"--user={_me()}"])
        (self.directory / "init.sql").write_text(
            f"CREATE USER IF NOT EXISTS '{USER}'@'{HOST}' IDENTIFIED BY '{PASSWORD}';\n"
            f"GRANT ALL ON *.* TO '{USER}'@'{HOST}';\n"
        )

    def command(self) -> list[str]:
        return [
            find_program("mariadbd", "/usr/sbin/mariadbd"),
            "--no-defaults",
            f"--user={_me()}",
            f"--datadir={self.directory}/data",
            f"--socket={self.directory}/socket",
            f"--pid-file={self.directory}/pid",
            f"--tmpdir={self.directory}",
            f"--init-file={self.directory}/init.sql",
            f"--bind-address={HOST}",
            f"--port={self.port}",
            "--skip-name-resolve",
            "--innodb-buffer-pool-size=64M",
            "--performance-schema=OFF",
        ]


class Postgres(Server):
    kind = "postgresql"
    packages = ("postgresql",)
    service = "postgresql"
    quick_end = signal.SIGINT

    def url(self, database: str = "protector") -> str:
        return f"postgresql+psycopg://{USER}:{PASSWORD}@{HOST}:{self.port}/{database or 'postgres'}"

    def account(self) -> str | None:
        return "postgres" if os.geteuid() == 0 else None  # it refuses to run as root

    def prepare(self) -> None:
        account = self.account()
        if account is not None:
            shutil.chown(self.directory, account, account)
        password = self.directory / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        identity = _identity(account)
        data = f"{self.directory}/data"
        options = ["-U", USER, "-A", "scram-sha-256", "--pwfile", str(password), "-E", "UTF8", "--locale=C", "-N"]
        _run([_postgres("initdb"), "-D", data, *options], **identity)

    def command(self) -> list[str]:
        settings = {
            "listen_addresses": HOST,
            "port": str(self.port),
            "unix_socket_directories": str(self.directory),
            "shared_buffers": "32MB",
        }
        return [
            _postgres("postgres"),
            "-D",
            f"{self.directory}/data",
            *(f"--{name}={value}" for name, value in settings.items()),
        ]


def launch(kind: type[Server]) -> Iterator[Server]:
    """Installs what is missing, starts the server with an empty database `protector`, and removes it in the end."""
    install(kind)
    server = kind()
    try:
        server.prepare()
        server.start()
        server.create_database("protector")
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[Server]:
    """A MariaDB of this session's own."""
    yield from launch(MariaDb)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Server]:
    """A PostgreSQL of this session's own."""
    yield from launch(Postgres)


def install(kind: type[Server]) -> None:
    """Debian's packages, where the programs are missing; the instance they start is stopped again."""
    if kind is MariaDb and _found("mariadbd", "/usr/sbin/mariadbd"):
        return
    if kind is Postgres and _found("postgres", "/usr/lib/postgresql/*/bin/postgres"):
        return
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    _run(["apt-get", "update", "-q"], env=environment)
    _run(["apt-get", "install", "-q", "-y", "--no-install-recommends", *kind.packages], env=environment)
    _run(["service", kind.service, "stop"])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def find_program(name: str, pattern: str) -> str:
    found = _found(name, pattern)
    assert found, f"{name} is not installed"
    return found


def _postgres(program: str) -> str:
    return find_program(program, f"/usr/lib/postgresql/*/bin/{program}")


def _found(name: str, pattern: str) -> str | None:
    """Where Debian puts it (the newest version), or wherever the path says."""
    installed = sorted(glob.glob(pattern))
    return installed[-1] if installed else shutil.which(name)


def _run(command: list[str], **options: Any) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, f"{command[0]}: {done.stdout}{done.stderr}"


def _identity(account: str | None) -> dict[str, Any]:
    return {} if account is None else {"user": account, "group": account, "extra_groups": []}


def _me() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name
