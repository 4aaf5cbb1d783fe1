"""What every command line of Protector has: `--config-file`, and one sentence instead of a traceback for a bad configuration."""

import argparse
import sys
from collections.abc import Callable, Sequence

from siterecovery.protector.domain.errors import ProtectorError
from siterecovery.protector.processes import settings


def parser(name: str, what: str) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog=name, description=what)
    made.add_argument("--config-file", action="append", help=f"default: {settings.DEFAULT_FILE}")
    return made


def run(arguments: argparse.Namespace, work: Callable[[settings.Settings], int | None]) -> int:
    """The exit code: 1 with a sentence on standard error for what a person can correct."""
    files: Sequence[str] = arguments.config_file or [settings.DEFAULT_FILE]
    try:
        return work(settings.load(files)) or 0
    except ProtectorError as error:
        sys.stderr.write(f"{error.detail} {error.remedy}".strip() + "\n")
        return 1
