"""The command `sandbox`: a pretend world to try, test and measure Site Recovery on.

sandbox demo                      watch a disaster being survived, in two minutes
sandbox up | down | status        a detached world with both Protectors on it, to play with
sandbox fault VERB ...            make something go wrong, and right again (`sandbox fault --help`)
sandbox check ...                 look at both clouds, arrays and databases for what must never be
sandbox world                     only the world, in the foreground
sandbox array                     only the arrays, in the foreground
sandbox kubernetes demo ...       three Kubernetes clusters, two of them with KubeVirt (`sandbox kubernetes --help`)
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from sandbox import verbs
from sandbox.array import standalone
from sandbox.demo import command
from sandbox.kubernetes import command as kubernetes
from sandbox.processes import ProcessError, end_with_parent
from sandbox.stack import Stack
from sandbox.world import World, WorldConfig

_EPILOG = """to begin with:
  sandbox up && source .sandbox/env     then `openstack server list`, `openstack dr --help`
  sandbox fault site-down site-a        lose the first site; `sandbox fault site-up site-a` brings it back
  sandbox fault kill-engine site-a      in the middle of an operation; `sandbox fault start-engine site-a` lets it go on
  sandbox fault latency boot 8          servers take 8 s to boot from now on
  sandbox check                         after whatever you did
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse and run; 1 with a sentence on stderr for what went wrong, 2 for a wrong command line."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["check"]:
        return _check(given[1:])
    parsed = _parser().parse_args(given)
    try:
        return int(parsed.run(parsed))
    except (ProcessError, ValueError, OSError) as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 1


def _check(arguments: list[str]) -> int:
    """The checker is loaded only when asked for: it is a program of its own that lives in this package."""
    return int(importlib.import_module("sandbox.check.cli").main(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sandbox", description=__doc__, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_world(commands.add_parser("world", help="a world in the foreground"))
    _add_up(commands.add_parser("up", help="a detached world with both Protectors"))
    for name, run, text in (("down", _down, "end it"), ("status", _status, "what runs, and where")):
        parser_of = commands.add_parser(name, help=text)
        _add_state(parser_of)
        parser_of.set_defaults(run=run)
    arrays = commands.add_parser("array", help="only the arrays, in the foreground")
    standalone.add_arguments(arrays)
    arrays.set_defaults(run=standalone.run)
    fault = commands.add_parser("fault", help="make something go wrong")
    _add_state(fault)
    verbs.add_arguments(fault)
    fault.set_defaults(run=verbs.run)
    command.add_arguments(commands.add_parser("demo", help="watch a disaster being survived"))
    kubernetes.add_arguments(commands.add_parser("kubernetes", help="three Kubernetes clusters, detached"))
    commands.add_parser("check", help="look for what must never be")
    return parser


def _add_state(parser: argparse.ArgumentParser) -> None:
    default = Path(os.environ.get("SANDBOX_STATE", ".sandbox"))
    parser.add_argument(
        "--state", type=Path, default=default, help="its directory (default: SANDBOX_STATE or .sandbox)"
    )


def _add_world(parser: argparse.ArgumentParser) -> None:
    _add_state(parser)
    parser.add_argument("--config", type=Path, help="YAML file with the settings of a world")
    parser.add_argument("--workload", action="store_true", help="with the demo workload on site-a")
    parser.add_argument("--detached", action="store_true", help="outlive the process that started it")
    parser.set_defaults(run=_world)


def _add_up(parser: argparse.ArgumentParser) -> None:
    _add_state(parser)
    parser.add_argument("--config", type=Path, help="YAML file with the settings of a world")
    parser.add_argument("--no-workload", action="store_true", help="without the demo workload on site-a")
    parser.add_argument("--world-only", action="store_true", help="without the Protectors")
    parser.set_defaults(run=_up)


def _world(arguments: argparse.Namespace) -> int:
    if not arguments.detached:
        end_with_parent()
    config = WorldConfig.read(arguments.config) if arguments.config else WorldConfig()
    config.workload = config.workload or arguments.workload
    asyncio.run(_serve(World(config, arguments.state), arguments.state / "ready", tell=not arguments.detached))
    return 0


async def _serve(world: World, ready: Path, *, tell: bool) -> None:
    """Serve until SIGTERM or SIGINT; the file `ready` is there for as long as everything answers.

    `tell` says everything a client needs on standard output; a log is no place for the tokens among it.
    """
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    ready.unlink(missing_ok=True)
    try:
        await world.start()
        ready.touch()
        print("READY", json.dumps(world.describe()) if tell else "", flush=True)
        await told.wait()
    finally:
        ready.unlink(missing_ok=True)
        await world.stop()


def _up(arguments: argparse.Namespace) -> int:
    stack = Stack(arguments.state)
    if arguments.config:
        WorldConfig.read(arguments.config)  # a mistake in it is told before anything is started
    print("Starting what does not run yet ...", flush=True)
    stack.up(arguments.config, workload=not arguments.no_workload, protectors=not arguments.world_only)
    _status(arguments)
    print(f"\nTo use it:  source {stack.state / 'env'}")
    return 0


def _down(arguments: argparse.Namespace) -> int:
    stack = Stack(arguments.state)
    stopped = stack.down()
    for name in stopped:
        print(f"stopped {name}")
    if not stopped:
        print(f"nothing ran in {stack.state}")
    return 0


def _status(arguments: argparse.Namespace) -> int:
    """0 when everything that was started runs; 1 otherwise."""
    stack = Stack(arguments.state)
    processes = stack.registry.all()
    if not processes:
        print(f"nothing runs in {stack.state}")
        return 1
    for process in processes:
        print(f"{process.name:<24} {'running' if process.alive else 'dead':<8} pid {process.pid}")
    description = stack.description
    print(f"{'control':<24} {description['control']}")
    for site, entry in description["sites"].items():
        print(f"{site:<24} {entry['auth_url']}  Protector {entry['protector']}")
    for name, entry in description["arrays"].items():
        print(f"{name:<24} {entry['url']}")
    return 0 if all(process.alive for process in processes) else 1
