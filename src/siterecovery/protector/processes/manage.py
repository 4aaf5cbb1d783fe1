"""`protector-manage`: the database, the secrets and stuck operations, for the person who runs the service."""

import argparse
import sys
from collections.abc import Callable

from siterecovery.protector.processes import command
from siterecovery.protector.processes.settings import OPTIONS, Settings
from siterecovery.protector.processes.wiring import assemble
from siterecovery.protector.store.schema import current_version, migrate
from siterecovery.protector.store.secrets import Keys, add_key, retire_keys, rotate
from siterecovery.protector.store.sql_store import open_store


def main() -> None:
    arguments = _parser().parse_args()
    if arguments.noun == "config":
        sys.exit(sample())
    work: dict[str, Callable[[Settings], None]] = {
        "db sync": db_sync,
        "db version": db_version,
        "secrets rotate": secrets_rotate,
    }
    sys.exit(command.run(arguments, work[f"{arguments.noun} {arguments.verb}"]))


def _parser() -> argparse.ArgumentParser:
    made = command.parser("protector-manage", "Looks after Protector's database and secrets")
    nouns = made.add_subparsers(dest="noun", required=True)
    for noun, verbs in (("db", ("sync", "version")), ("secrets", ("rotate",)), ("config", ("sample",))):
        under = nouns.add_parser(noun).add_subparsers(dest="verb", required=True)
        for verb in verbs:
            under.add_parser(verb)
    return made


def db_sync(settings: Settings) -> None:
    """Creates or upgrades the tables, and makes the key files that are missing."""
    settings.state_path.mkdir(parents=True, exist_ok=True)
    version = migrate(settings.database)
    assemble(settings).close()
    sys.stdout.write(f"The database is at version {version}.\n")


def db_version(settings: Settings) -> None:
    sys.stdout.write(f"{current_version(settings.database) or 'empty'}\n")


def secrets_rotate(settings: Settings) -> None:
    """A new key seals everything; the older ones are retired."""
    add_key(settings.key_file)
    keys = Keys.from_file(settings.key_file)
    store = open_store(settings.database, keys, drain=settings.engine.drain, lease_ttl=settings.engine.lease_ttl)
    done = rotate(store, keys)
    store.close()
    retire_keys(settings.key_file)
    sys.stdout.write(f"{done} policies were sealed anew. Restart protector-api and protector-engine.\n")


def sample() -> int:
    """Every option with its default, as a commented file."""
    for group, options in OPTIONS.items():
        sys.stdout.write(f"[{group}]\n")
        for option in options:
            if option.help:
                sys.stdout.write(f"# {option.help}\n")
            sys.stdout.write(f"# {option.name} = {'' if option.default is None else option.default}\n")
        sys.stdout.write("\n")
    return 0
