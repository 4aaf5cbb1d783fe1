"""`sandbox check`: exit code 0 when every invariant holds, 1 when one is broken, 2 when the checker could not look everywhere."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from sandbox.check.checking import check
from sandbox.check.places import CheckError, Places

HOLDS, BROKEN, BLIND = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """What is broken outweighs what could not be seen; a wrong command line is argparse's own 2."""
    asked = _parser().parse_args(arguments)
    try:
        report = check(Places.of_state(asked.state), settled=not asked.moving)
    except CheckError as error:
        print(f"sandbox check: {error}", file=sys.stderr)
        return BLIND
    print(json.dumps(report.as_json(), indent=2) if asked.json else report.text())
    if not report.ok:
        return BROKEN
    return BLIND if report.unseen else HOLDS


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sandbox check",
        description="Look at both clouds, both arrays and both databases for what must never be.",
        epilog="Exit code: 0 every invariant holds, 1 one is broken, 2 not everything could be looked at.",
    )
    state = Path(os.environ.get("SANDBOX_STATE", ".sandbox"))
    parser.add_argument(
        "--state", type=Path, default=state, help="directory of `sandbox up` (default: SANDBOX_STATE or .sandbox)"
    )
    parser.add_argument("--json", action="store_true", help="for scripts")
    parser.add_argument("--moving", action="store_true", help="operations may be under way: do not ask for their end")
    return parser
