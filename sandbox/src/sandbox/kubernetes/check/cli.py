"""`sandbox kubernetes check`: exit code 0 when every rule holds, 1 when one is broken, 2 when the checker could not look everywhere."""

from __future__ import annotations

import argparse
import json
import sys

from sandbox.kubernetes.attached import AttachedWorld
from sandbox.kubernetes.check.checking import check
from sandbox.processes import ProcessError

HOLDS, BROKEN, BLIND = 0, 1, 2
EPILOG = "Exit code: 0 every rule holds, 1 one is broken, 2 not everything could be looked at."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Beside `--state`."""
    parser.epilog = EPILOG
    parser.add_argument("--namespace", action="append", help="judge only this one; may be repeated (default: all)")
    parser.add_argument("--json", action="store_true", help="for scripts")
    parser.add_argument("--moving", action="store_true", help="Failovers may be under way: do not ask for their end")


def run(parsed: argparse.Namespace) -> int:
    """What is broken outweighs what could not be seen."""
    try:
        world = AttachedWorld(parsed.state)
        try:
            report = check(world, namespaces=parsed.namespace, settled=not parsed.moving)
        finally:
            world.close()
    except ProcessError as error:
        print(f"sandbox kubernetes check: {error}", file=sys.stderr)
        return BLIND
    print(json.dumps(report.as_json(), indent=2) if parsed.json else report.text())
    if not report.ok:
        return BROKEN
    return BLIND if report.unseen else HOLDS
