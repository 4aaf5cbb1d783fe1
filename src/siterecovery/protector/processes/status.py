"""`protector-status upgrade check`: may this release be started here? 0 yes, 1 with warnings (or the configuration cannot be read), 2 no."""

from collections.abc import Callable, Iterator, Sequence

from siterecovery.protector.domain.errors import ProtectorError
from siterecovery.protector.peer.keys import Identity
from siterecovery.protector.processes import entry
from siterecovery.protector.processes.settings import Settings
from siterecovery.protector.store import schema
from siterecovery.protector.store.secrets import Keys

SUCCESS, WARNING, FAILURE = 0, 1, 2
_WORDS = {SUCCESS: "Success", WARNING: "Warning", FAILURE: "Failure"}

NAME = "protector-status"
Finding = tuple[int, str]


def check_database(found: Settings) -> Finding:
    version, needed = schema.current_version(found.database_url.reveal()), schema.head_version()
    if version == needed:
        return SUCCESS, f"version {version}"
    return FAILURE, f"version {version or 'none'}, this release needs {needed}: run protector-manage db sync"


def check_secrets(found: Settings) -> Finding:
    Keys.from_file(found.key_file)
    return SUCCESS, str(found.key_file)


def check_identity(found: Settings) -> Finding:
    Identity.from_file(found.identity_key_file)
    return SUCCESS, str(found.identity_key_file)


def check_peers(found: Settings) -> Finding:
    if not found.sites:
        return WARNING, "no [site:<name>] section: there is no other site to recover to"
    return SUCCESS, ", ".join(sorted(found.sites))


def check_arrays(found: Settings) -> Finding:
    if found.storage.driver in ("mock", "MockStorageDriver"):
        return WARNING, "the mock driver replicates nothing"
    if not found.storage.allowed_array_urls:
        return WARNING, "[storage] allowed_array_urls is empty: no replication policy can be created"
    return SUCCESS, ", ".join(found.storage.allowed_array_urls)


CHECKS: dict[str, Callable[[Settings], Finding]] = {
    "Database": check_database,
    "Secrets key file": check_secrets,
    "Identity key file": check_identity,
    "Peer sites": check_peers,
    "Arrays": check_arrays,
}


def run(found: Settings) -> Iterator[tuple[str, int, str]]:
    for name, check in CHECKS.items():
        try:
            result, said = check(found)
        except ProtectorError as error:
            result, said = FAILURE, f"{error.detail} {error.remedy}".strip()
        yield name, result, said


def main(arguments: Sequence[str] | None = None) -> int:
    parser = entry.parser(NAME, "Check this site's Protector.")
    parser.add_argument("noun", choices=["upgrade"])
    parser.add_argument("verb", choices=["check"])
    given = parser.parse_args(arguments)
    return entry.run(NAME, given.config_file, report)


def report(found: Settings) -> int:
    worst = SUCCESS
    for name, result, said in run(found):
        print(f"{name:18} {_WORDS[result]:8} {said}")  # noqa: T201 - a command's answer
        worst = max(worst, result)
    return worst
