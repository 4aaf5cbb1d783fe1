"""What all commands share: no authentication by the shell, exit codes, the clouds, and closing them."""

import argparse
import functools
import logging
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from osc_lib.command import command

from protectorclient import exceptions
from protectorclient.osc import options, output
from protectorclient.osc.clouds import Cloud, Clouds
from protectorclient.v1.base import Resource
from protectorclient.v1.waiting import Pace, until

SETTLING_TIMEOUT = 900
"""Seconds for what waits by itself (create and delete of a group, its members, its policy) when no engine runs."""


def _own_words(record: logging.LogRecord) -> bool:
    """A site that cannot be reached is told once, by us; keystoneauth would warn of it a line before."""
    return record.levelno != logging.WARNING


class ProtectorCommand(command.Command):  # type: ignore[misc, unused-ignore]
    """The exit code survives the shell because errors are reported here: above, every exception becomes 1."""

    auth_required = False
    outcome = 0
    """What a command that printed its result exits with: set where the result is a failure."""

    @functools.cached_property
    def clouds(self) -> Clouds:
        return Clouds(self.app)

    def run(self, parsed_args: argparse.Namespace) -> int:
        logging.getLogger("keystoneauth.identity.generic.base").addFilter(_own_words)
        try:
            return super().run(parsed_args) or self.outcome
        except exceptions.ProtectorClientError as error:
            self.log.debug("%s", error.__class__.__name__, exc_info=True)
            self.tell(*error.lines())
            return error.exit_code
        finally:
            if "clouds" in self.__dict__:
                self._hand_over_timings()
                self.clouds.close()

    def _hand_over_timings(self) -> None:
        """`--timing` reads them from the session of the shell, which our commands do not use."""
        sessions = self.clouds.sessions
        for session in sessions[1:]:
            self.app.timing_data.extend(session.get_timings())
        if sessions:
            self.app.client_manager.session = sessions[0]

    def tell(self, *lines: str) -> None:
        """To the person, not to the pipe."""
        for line in lines:
            print(line, file=sys.stderr, flush=True)  # noqa: T201  the console of a command-line program

    def pace(self, parsed: argparse.Namespace, default: float | None = None) -> Pace:
        interval = os.environ.get("PROTECTOR_POLL_INTERVAL") or "2"
        try:
            seconds = float(interval)
        except ValueError:
            raise exceptions.BadInput(f"PROTECTOR_POLL_INTERVAL must be seconds, not '{interval}'") from None
        timeout = options.number(parsed, "timeout", minimum=1)
        return Pace(interval=max(seconds, 0.0), timeout=default if timeout is None else timeout)


class ShowCommand(ProtectorCommand, command.ShowOne):  # type: ignore[misc, unused-ignore]
    """One record as a table of field and value."""

    def shown(
        self, parsed: argparse.Namespace, record: Any, columns: Sequence[str]
    ) -> tuple[Sequence[str], Sequence[Any]]:
        return columns, [output.cell(record.get(name), parsed.formatter) for name in columns]


class ListCommand(ProtectorCommand, command.Lister):  # type: ignore[misc, unused-ignore]
    """Records as rows; `columns` pairs a heading with the key of the record."""

    def rows(
        self, parsed: argparse.Namespace, records: Sequence[Any], columns: Sequence[tuple[str, str]]
    ) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
        headings = [heading for heading, _ in columns]
        return headings, [[output.cell(item.get(key), parsed.formatter) for _, key in columns] for item in records]


def first_answer(command: ProtectorCommand, read: Callable[[Any], Resource]) -> tuple[Cloud, Resource]:
    """What the primary cloud knows, else the secondary: for looking at one thing, also while a site is lost.

    `read` gets the client of a cloud. The first 404 is raised where no site knows it and every site was asked.
    """
    missing: exceptions.NotFound | None = None
    silent: exceptions.SiteUnreachable | None = None
    for cloud in command.clouds.known:
        try:
            return cloud, read(cloud.client)
        except exceptions.NotFound as error:
            missing = missing or error
        except exceptions.SiteUnreachable as error:
            command.tell(f"Note: {error.message}")
            silent = silent or error
    if silent is not None:
        raise silent
    assert missing is not None  # there is at least one cloud, and it did not answer with the thing
    raise missing


def ensure_delegation(command: ProtectorCommand, *clouds: Cloud | None) -> None:
    """A trust on each site, made from the user's own token on first use: later the service acts while nobody is there.

    Where it cannot be made (an application credential may not, an admin may have granted a role instead) the server
    decides whether one is needed, and says so.
    """
    for cloud in clouds:
        if cloud is None:
            continue
        try:
            delegation = cloud.client.delegations.get()
        except exceptions.NotFound:
            delegation = None
        if delegation is not None and delegation.status != "broken":
            continue
        try:
            cloud.client.delegations.create()
        except (exceptions.BadRequest, exceptions.Forbidden, exceptions.PreconditionFailed) as error:
            command.tell(f"Note: no delegation was made on {cloud.label}: {error.message}")


def settled(
    command: ProtectorCommand, parsed: argparse.Namespace, read: Any, busy: Sequence[str], what: str
) -> Resource:
    """The record once its status is none of `busy`; an error status, or its vanishing, fails the command."""
    record = _settled(command, parsed, read, busy, what)
    if record is None or record.status == "error":
        reason = record.error_message if record is not None else "it was undone"
        raise exceptions.OperationFailed(
            f"{what} failed: {reason or 'no reason was recorded'}",
            remedy="Put the cause right, remove what is left of it and try again; `operation list` has the record.",
        )
    return record


def gone(command: ProtectorCommand, parsed: argparse.Namespace, read: Any, what: str) -> None:
    """Wait until `read` answers 404; an error status fails the command."""
    left = _settled(command, parsed, read, None, what)
    if left is not None:
        raise exceptions.OperationFailed(f"{what} failed: {left.error_message or 'no reason was recorded'}")


def _settled(
    command: ProtectorCommand, parsed: argparse.Namespace, read: Any, busy: Sequence[str] | None, what: str
) -> Resource | None:
    """The record once it does not pass any more; None once it is gone. Without `busy` only error and gone end it."""

    def look() -> Resource | None:
        try:
            found: Resource = read()
        except exceptions.NotFound:
            return None
        return found

    def rests(item: Resource | None) -> bool:
        return item is None or item.status == "error" or (busy is not None and item.status not in busy)

    return until(look, rests, command.pace(parsed, SETTLING_TIMEOUT), what=what)
