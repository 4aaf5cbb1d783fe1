"""What every program of Protector has: `--config-file`, and one sentence instead of a traceback for what a person can correct."""

import argparse
import sys
from collections.abc import Callable

from siterecovery.protector.domain.errors import ProtectorError
from siterecovery.protector.processes import logs, settings
from siterecovery.protector.processes.settings import Settings


def parser(name: str, what: str) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog=name, description=what)
    made.add_argument(
        "--config-file", action="append", default=[], metavar="FILE", help=f"may be repeated; {settings.DEFAULT_FILE}"
    )
    return made


def run(name: str, files: list[str], work: Callable[[Settings], int | None], *, logging: bool = False) -> int:
    """The exit code: what `work` answers (None is 0), or 1 with a sentence on standard error. `logging` for services: to their log."""
    try:
        found = settings.load(files)
        if logging:
            logs.setup(debug=found.debug, file=found.log_file, as_json=found.log_json)
        return work(found) or 0
    except ProtectorError as error:
        sys.stderr.write(f"{name}: {error.detail} {error.remedy}".rstrip() + "\n")
        return 1
