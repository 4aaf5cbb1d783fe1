"""The command line: ``python -m testbed install|init|up|down|status|reset|wipe``."""

import argparse
import sys
from collections.abc import Sequence

from .errors import TestbedError
from .guardian import abandoned
from .layout import DATABASE_PORT, OFFSETS, RABBIT_PORT, SITES, Site, default_layout, site_named
from .lifecycle import Testbed
from .process import Process


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; 0, or 1 with a message that says what to do."""
    options = _parser().parse_args(arguments)
    testbed = Testbed(default_layout(), lambda message: print(message, flush=True))
    try:
        _run(testbed, options, getattr(options, "sites", None) or None)
    except TestbedError as error:
        print(f"testbed: {error}", file=sys.stderr)
        return 1
    return 0


def _run(testbed: Testbed, options: argparse.Namespace, sites: list[Site] | None) -> None:
    match options.verb:
        case "install":
            testbed.install()
        case "init":
            testbed.init()
        case "up" if sites is None and not testbed.initialised:
            testbed.ensure()
        case "up":
            testbed.up(sites)
        case "down":
            testbed.down(sites, kill=options.kill)
        case "status":
            _print_status(testbed)
        case "reset":
            testbed.reset()
        case "wipe":
            testbed.wipe()
        case "guard" if abandoned():
            testbed.down(kill=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="testbed", description="Two real OpenStack sites on loopback.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("install", help="Debian packages and the services' virtualenv, where they are missing")
    verbs.add_parser("init", help="both sites from nothing; keeps a pristine copy and leaves everything down")
    up = verbs.add_parser("up", help="start both sites, or those named; installs and initialises what is missing")
    up.add_argument("sites", nargs="*", type=_site, metavar="SITE")
    down = verbs.add_parser("down", help="stop everything, or only the sites named")
    down.add_argument("sites", nargs="*", type=_site, metavar="SITE")
    down.add_argument("--kill", action="store_true", help="as a disaster does it: no farewell")
    verbs.add_parser("status", help="what is running, where it listens, what it uses")
    verbs.add_parser("reset", help="put everything back as it was after `init`")
    verbs.add_parser("wipe", help="delete all state; the virtualenv stays")
    verbs.add_parser("guard", help="stop everything when standard input ends without a farewell (for the tests)")
    return parser


def _site(name: str) -> Site:
    """An argument that names a site."""
    try:
        return site_named(name)
    except KeyError as error:
        raise argparse.ArgumentTypeError(f"there is no site {name!r}, only {', '.join(SITES)}") from error


def _print_status(testbed: Testbed) -> None:
    """A line for each process, and a sum."""
    supervisor = testbed.supervisor
    print(f"{'group':8} {'process':17} {'pid':>8} {'port':>12} {'MiB':>6} {'cpu s':>7}")
    used = [(0, 0.0)]
    for process in supervisor.processes():
        title = f"{process.group:8} {process.name:17}"
        if not process.alive:
            print(f"{title} {'dead':>8}  see {supervisor.log(process.group, process.name)}")
            continue
        memory, cpu = supervisor.memory(process)
        used.append((memory, cpu))
        print(f"{title} {process.pid:>8} {_port(process):>12} {memory // 1024:>6} {cpu:>7.1f}")
    gibibytes, seconds = sum(memory for memory, _ in used) / 1024**2, sum(cpu for _, cpu in used)
    print(f"{len(used) - 1} running, {gibibytes:.2f} GiB, {seconds:.0f} s of processor")
    print(f"clouds: {testbed.layout.clouds_yaml}")


def _port(process: Process) -> str:
    """Where a process listens; the workers do not."""
    known = {"mariadbd": DATABASE_PORT, "rabbitmq": RABBIT_PORT}
    service = process.name.removesuffix("-api")
    if service in OFFSETS:
        return str(site_named(process.group).port(service))
    if process.name == "simulator":
        return ",".join(str(site.array_port) for site in SITES.values())
    return str(known.get(process.name, ""))
