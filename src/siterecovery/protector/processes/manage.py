"""`protector-manage`: what an operator does to one site's Protector from its own host."""

import argparse
import dataclasses
from collections.abc import Callable, Sequence

from siterecovery.protector.domain.errors import NotFound, ProtectorError
from siterecovery.protector.domain.operation import Operation
from siterecovery.protector.domain.states import TERMINAL
from siterecovery.protector.peer.keys import Identity
from siterecovery.protector.processes import entry, settings, wiring
from siterecovery.protector.processes.settings import Settings
from siterecovery.protector.store import schema, secrets
from siterecovery.protector.store.base import Transaction

NAME = "protector-manage"
Command = Callable[[Settings, argparse.Namespace], None]


def say(text: str) -> None:
    print(text)  # noqa: T201 - a command's answer


def db_sync(found: Settings, given: argparse.Namespace) -> None:
    """Prepare or upgrade the database, and make the key files on first use."""
    _make_keys(found)
    say(f"The database is at version {schema.migrate(found.database_url.reveal())}.")


def _make_keys(found: Settings) -> None:
    for path in (found.key_file, found.identity_key_file):
        path.parent.mkdir(parents=True, exist_ok=True)
    secrets.create_key_file(found.key_file)
    Identity.load_or_create(found.identity_key_file)


def db_version(found: Settings, given: argparse.Namespace) -> None:
    """Show the version of the database and the one that this release needs."""
    say(f"database: {schema.current_version(found.database_url.reveal()) or 'none'}")
    say(f"release:  {schema.head_version()}")


def secrets_create(found: Settings, given: argparse.Namespace) -> None:
    """Make the key files, unless they are there."""
    _make_keys(found)
    say(
        f"Keys are in {found.key_file} and {found.identity_key_file}; back them up, and copy them to this site's other hosts."
    )


def secrets_rotate(found: Settings, given: argparse.Namespace) -> None:
    """Seal all stored secrets with a new key."""
    secrets.add_key(found.key_file)
    store = wiring.make_store(found)
    try:
        count = secrets.rotate(store, secrets.Keys.from_file(found.key_file))
    finally:
        store.close()
    say(f"{count} policies are sealed with a new key; older keys stay in {found.key_file} until `secrets retire`.")


def secrets_retire(found: Settings, given: argparse.Namespace) -> None:
    """Forget all keys but the newest, once every host has the file."""
    store = wiring.make_store(found)
    try:
        secrets.rotate(store, secrets.Keys.from_file(found.key_file))
    finally:
        store.close()
    secrets.retire_keys(found.key_file)
    say(f"{found.key_file} holds only the newest key.")


def operation_list(found: Settings, given: argparse.Namespace) -> None:
    """List the operations of all groups; unfinished ones unless --all."""

    def read(tx: Transaction) -> list[Operation]:
        groups = tx.groups.select()
        return [o for group in groups for o in tx.operations.of_group(group.id, unfinished=not given.all)]

    store = wiring.make_store(found)
    try:
        for operation in store.run(read):
            state = f"{operation.status:13} {operation.progress:3}%"
            say(f"{operation.id}  {operation.type:14} {state}  {operation.current_step or ''}".rstrip())
    finally:
        store.close()


def operation_release(found: Settings, given: argparse.Namespace) -> None:
    """Let go of a group that is held by an operation which has ended or is gone."""

    def write(tx: Transaction) -> str:
        operation = tx.operations.get(given.operation)
        held = [group for group in tx.groups.select() if group.hold_operation_id == given.operation]
        if operation is not None and operation.status not in TERMINAL:
            raise ProtectorError(
                f"Operation {operation.id} is {operation.status}: an engine will go on with it.",
                remedy="Start protector-engine, or cancel the operation.",
            )
        if not held:
            raise NotFound(f"No protection group is held by operation {given.operation}.")
        for group in held:
            locked = tx.groups.get(group.id, lock=True)
            if locked is not None and locked.hold_operation_id == given.operation:
                tx.groups.save(dataclasses.replace(locked, hold_operation_id=None))
        return ", ".join(group.name for group in held)

    store = wiring.make_store(found)
    try:
        say(f"Let go of {store.run(write)}.")
    finally:
        store.close()


COMMANDS: dict[tuple[str, str], Command] = {
    ("db", "sync"): db_sync,
    ("db", "version"): db_version,
    ("secrets", "create"): secrets_create,
    ("secrets", "rotate"): secrets_rotate,
    ("secrets", "retire"): secrets_retire,
    ("operation", "list"): operation_list,
    ("operation", "release"): operation_release,
}


def parser() -> argparse.ArgumentParser:
    top = entry.parser(NAME, "Manage one site's Protector.")
    nouns = top.add_subparsers(dest="noun", required=True)
    verbs: dict[str, argparse._SubParsersAction[argparse.ArgumentParser]] = {}
    for (noun, verb), work in COMMANDS.items():
        if noun not in verbs:
            verbs[noun] = nouns.add_parser(noun).add_subparsers(dest="verb", required=True)
        one = verbs[noun].add_parser(verb, help=work.__doc__)
        if work is operation_list:
            one.add_argument("--all", action="store_true", help="ended ones too")
        if work is operation_release:
            one.add_argument("operation", metavar="<operation>")
    sample = nouns.add_parser("config").add_subparsers(dest="verb", required=True)
    sample.add_parser("sample", help="Print an annotated configuration file.")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    given = parser().parse_args(arguments)
    if given.noun == "config":
        say(settings.sample())
        return 0
    chosen = COMMANDS[given.noun, given.verb]
    return entry.run(NAME, given.config_file, lambda found: chosen(found, given))
