"""`protector-status upgrade check`: may the service be started on what is there? Exit code 0 yes, 1 look at the warning, 2 no."""

import sys

from siterecovery.protector.processes import command
from siterecovery.protector.processes.settings import Settings
from siterecovery.protector.store.schema import current_version


def main() -> None:
    made = command.parser("protector-status", "Checks before an upgrade")
    made.add_subparsers(dest="noun", required=True).add_parser("upgrade").add_subparsers(
        dest="verb", required=True
    ).add_parser("check")
    sys.exit(command.run(made.parse_args(), check))


def check(settings: Settings) -> int:
    version = current_version(settings.database)
    if version is None:
        sys.stdout.write("Failure: the database has no tables. Run protector-manage db sync.\n")
        return 2
    if not settings.key_file.exists():
        sys.stdout.write(f"Failure: {settings.key_file} is missing; sealed secrets cannot be opened without it.\n")
        return 2
    sys.stdout.write(f"Success: the database is at version {version}.\n")
    return 0
