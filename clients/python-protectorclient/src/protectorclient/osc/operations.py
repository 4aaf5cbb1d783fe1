"""`operation list|show|cancel`: the records. They are site-local, so `show` looks on both clouds, `list` asks one."""

import argparse
from typing import Any

from protectorclient import exceptions
from protectorclient.osc import options
from protectorclient.osc.base import ListCommand, ProtectorCommand, ShowCommand, first_answer
from protectorclient.osc.clouds import Cloud
from protectorclient.v1.base import Resource, not_found

LISTED = ("id", "operation_type", "status", "progress", "protection_group_id", "started_at", "completed_at")
LONG = ("source_site", "target_site", "current_step", "recovery_point_at", "error_message")
TABLE = (
    "id",
    "operation_type",
    "status",
    "progress",
    "protection_group",
    "source_site",
    "target_site",
    "started_at",
    "completed_at",
    "error_message",
    "steps_completed",
    "steps_failed",
    "result_data",
)
MACHINE = (
    "id",
    "protection_group_id",
    "operation_type",
    "status",
    "source_site_id",
    "target_site_id",
    "progress",
    "started_at",
    "completed_at",
    "error_message",
    "steps_completed",
    "steps_failed",
)
STATUSES = ("pending", "running", "rolling_back", "completed", "failed")


class ListOperation(ListCommand):
    """List the operations of one site, newest first"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--protection-group", metavar="<protection-group>", help="Only its operations (name or ID)")
        parser.add_argument("--status", metavar="<status>", help="Only those in this state: " + ", ".join(STATUSES))
        parser.add_argument("--operation-type", metavar="<type>", help="Only those of this type")
        parser.add_argument("--limit", metavar="<number>", help="At most this many")
        parser.add_argument("--marker", metavar="<id>", help="Only those after this one")
        parser.add_argument("--long", action="store_true", help="More columns")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        options.choice(parsed_args, "status", STATUSES)
        limit = options.number(parsed_args, "limit", minimum=1)
        client = self.clouds.one.client
        group = parsed_args.protection_group
        records = client.operations.list(
            protection_group_id=client.protection_groups.find_id(group) if group else None,
            operation_type=parsed_args.operation_type.replace("-", "_") if parsed_args.operation_type else None,
            status=parsed_args.status,
            limit=limit,
            marker=parsed_args.marker,
        )
        columns = LISTED + (LONG if parsed_args.long else ())
        return self.rows(parsed_args, records, [(name, name) for name in columns])


class ShowOperation(ShowCommand):
    """Show an operation with each of its steps"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        return add_operation(super().get_parser(prog_name))

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        _, record = find(self, parsed_args.operation)
        return self.shown(parsed_args, *view(record, parsed_args))


class CancelOperation(ProtectorCommand):
    """Cancel a running operation: it undoes what it did and ends as failed"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        return add_operation(super().get_parser(prog_name))

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud, record = find(self, parsed_args.operation)
        cloud.client.operations.cancel(str(record.id))


def add_operation(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("operation", metavar="<operation-id>", help="Operation (ID)")
    return parser


def find(command: ProtectorCommand, operation: str) -> tuple[Cloud, Resource]:
    """The record and the cloud that holds it."""

    def read(client: Any) -> Resource:
        try:
            found: Resource = client.operations.get(operation)
        except exceptions.NotFound:
            raise not_found("operation", operation) from None
        return found

    return first_answer(command, read)


def view(record: Resource, parsed: argparse.Namespace) -> tuple[Resource, tuple[str, ...]]:
    """A table has the fields of the monitoring guide; a program gets the documented keys, then the rest."""
    name = record.protection_group_name
    group = f"{record.protection_group_id} ({name})" if name else record.protection_group_id
    if parsed.formatter == "table":
        failed = [_failed(entry) for entry in record.steps_failed or []]
        shown = Resource(record | {"protection_group": group, "steps_failed": failed})
        extra = tuple(key for key in record if key not in TABLE) if parsed.columns else ()
        return shown, TABLE + extra
    shown = Resource(record | ({"protection_group": group} if parsed.columns else {}))
    return shown, MACHINE + tuple(key for key in shown if key not in MACHINE)


def _failed(entry: Any) -> Any:
    """Steps without a resource are shown by their bare name, as the documents print them."""
    if isinstance(entry, dict) and not entry.get("resource_id"):
        return entry.get("step")
    return entry


def with_leftovers(records: list[Resource]) -> list[Resource]:
    """The ended operations that left something behind."""
    return [item for item in records if item.status in ("completed", "failed") and item.steps_failed]
