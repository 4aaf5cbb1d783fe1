"""The verbs of the test bed: install, init, up, down, reset, and what is running.

`live` is what runs; `pristine` is its copy right after `init`, so that a test run can always begin with the same world
without the minutes that migrations take. A change to anything that shapes that world asks for a new `init` by itself.
"""

import contextlib
import fcntl
import hashlib
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import packages
from .clouds import write_clouds
from .configuration import write_configuration
from .databases import discover_hosts, migrations
from .errors import StateError
from .guardian import watching
from .infra import ARRAYS, GROUP, start_infra
from .layout import HERE, LOCK, PLUGINS, SITES, TEMPLATES, Layout, Site
from .process import Supervisor
from .readiness import wait_for_keystone, wait_for_site
from .seed import seed_identity, seed_resources
from .services import start_site

SHAPE = ("databases.py", "layout.py", "names.py", "seed.py")
FINGERPRINT = "fingerprint"
Report = Callable[[str], None]


def quiet(_message: str) -> None:
    """A report that nobody reads."""


class Testbed:
    """One test bed below one directory; the ports are fixed, so one at a time on a machine."""

    __test__ = False  # pytest must not take a class called Test… for a test

    def __init__(self, layout: Layout, report: Report = quiet) -> None:
        self.layout = layout
        self.supervisor = Supervisor(layout)
        self._report = report
        self._begun = time.monotonic()

    @property
    def initialised(self) -> bool:
        """Whether the pristine copy is there and was made by this very code."""
        return _made_by_this_code(self.layout.pristine)

    def ready(self, site: Site) -> bool:
        """Whether all processes of a site, and those below it, are running (not whether they answer)."""
        groups = (site.name, GROUP, ARRAYS)
        return all(
            group and all(process.alive for process in group) for group in map(self.supervisor.processes, groups)
        )

    def install(self) -> None:
        """Bring in the Debian packages and the virtualenv where they are missing."""
        packages.install(self.layout)
        self._say("installed")

    def init(self) -> None:
        """Make both sites from nothing, seed them, and keep the pristine copy; everything is down afterwards."""
        if not packages.installed(self.layout):
            raise StateError("not installed: run `install` first")
        self._refuse_if_running("init")
        self.wipe()
        start_infra(self.layout, self.supervisor)
        write_clouds(self.layout)
        self._say("infrastructure is up")
        self._migrate()
        self._begin_and_seed()
        self.down(SITES.values(), kill=True)
        self.down()
        shutil.copytree(self.layout.live, self.layout.pristine, symlinks=True)
        (self.layout.pristine / FINGERPRINT).write_text(fingerprint())
        self._say("initialised")

    def up(self, sites: Iterable[Site] | None = None) -> None:
        """Start the infrastructure and these sites (default both), and wait until they are ready."""
        chosen = list(SITES.values() if sites is None else sites)
        if not (self.layout.live / "mariadb").exists():
            raise StateError("nothing to start: run `init` or `reset` first")
        start_infra(self.layout, self.supervisor)
        self._say("infrastructure is up")
        self._start(chosen)

    def down(self, sites: Iterable[Site] | None = None, *, kill: bool = False) -> None:
        """Stop these sites only, or without any named everything, infrastructure last."""
        chosen = SITES.values() if sites is None else sites
        if sites is None:
            self.supervisor.stop(self._guests(), kill=True)
        self.supervisor.stop([site.name for site in chosen], kill=kill)
        if sites is None:
            self.supervisor.stop([ARRAYS])  # after those who call it, so that what it keeps is complete
            self.supervisor.stop([GROUP])
        self._say("down")

    def reset(self) -> None:
        """Put the world back as it was after `init`."""
        self._refuse_if_running("reset")
        if not self.initialised:
            raise StateError("there is no pristine copy of this version: run `init`")
        shutil.rmtree(self.layout.live, ignore_errors=True)
        shutil.rmtree(self.layout.log, ignore_errors=True)
        shutil.copytree(self.layout.pristine, self.layout.live, symlinks=True)
        self._say("reset")

    def wipe(self) -> None:
        """Delete everything but the virtualenv."""
        self._refuse_if_running("wipe")
        for directory in (self.layout.live, self.layout.pristine, self.layout.run, self.layout.log):
            shutil.rmtree(directory, ignore_errors=True)

    def ensure(self) -> None:
        """Both sites up, whatever was missing: as they are if they run, else as they were after `init`."""
        if _made_by_this_code(self.layout.live) and all(self.ready(site) for site in SITES.values()):
            self._await(SITES.values(), since=0)
            return
        self.down()
        if not packages.installed(self.layout):
            self.install()
        if not self.initialised:
            self.init()
        self.reset()
        self.up()

    @contextlib.contextmanager
    def held(self, *, guarded: bool = False) -> Iterator[None]:
        """Have the test bed to oneself, waiting for whoever has it now; `guarded` ends it with this process."""
        self.layout.root.mkdir(parents=True, exist_ok=True)
        with (self.layout.root / "held").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with watching(self.layout, lock.fileno()) if guarded else contextlib.nullcontext():
                yield

    def _guests(self) -> list[str]:
        """Groups of processes that tests have started on the sites: ended before what they stand on."""
        own = {GROUP, ARRAYS, *(site.name for site in SITES.values())}
        return sorted({process.group for process in self.supervisor.processes()} - own)

    def _migrate(self) -> None:
        for site in SITES.values():
            write_configuration(self.layout, site)
        parts = [part for site in SITES.values() for part in migrations(self.layout, site)]
        with ThreadPoolExecutor(2) as workers:
            for done in [workers.submit(part) for part in parts]:
                done.result()
        self._say("databases are made")

    def _begin_and_seed(self) -> None:
        """Keystone first, because the other services need their account to start."""
        for site in SITES.values():
            start_site(self.layout, self.supervisor, site, only="keystone-api")
        for site in SITES.values():
            wait_for_keystone(site, self.supervisor)
            seed_identity(site)
        self._say("accounts and catalog are seeded")
        self._start(list(SITES.values()))
        for site in SITES.values():
            discover_hosts(self.layout, site)
            seed_resources(site)
        self._say("types, networks and the workload are seeded")

    def _start(self, sites: list[Site]) -> None:
        since = time.time()
        for site in sites:
            write_configuration(self.layout, site)
            start_site(self.layout, self.supervisor, site)
        self._await(sites, since)

    def _await(self, sites: Iterable[Site], since: float) -> None:
        for site in sites:
            wait_for_site(site, self.supervisor, since)
            self._say(f"{site.name} is ready")

    def _refuse_if_running(self, verb: str) -> None:
        running = self.supervisor.running()
        if running:
            raise StateError(f"{len(running)} processes are running: run `down` before `{verb}`")

    def _say(self, what: str) -> None:
        self._report(f"{time.monotonic() - self._begun:6.1f} s  {what}")


def _made_by_this_code(world: Path) -> bool:
    """Whether a world stems from an `init` of the present lock file, templates, plugins and seeds."""
    mark = world / FINGERPRINT
    return mark.exists() and mark.read_text() == fingerprint()


def fingerprint() -> str:
    """A hash of all that shapes an initialised world."""
    files = [LOCK, *sorted(TEMPLATES.iterdir()), *sorted(PLUGINS.glob("*.py")), *(HERE / name for name in SHAPE)]
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()
