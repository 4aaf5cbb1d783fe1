"""`operation cleanup`: repeat what an ended operation left behind, told line by line as in the lifecycle guide."""

import argparse
import sys
from typing import Any

from protectorclient import exceptions
from protectorclient.osc import operations, options, routing
from protectorclient.osc.base import ProtectorCommand
from protectorclient.osc.clouds import Cloud
from protectorclient.osc.output import counted
from protectorclient.v1.base import Resource
from protectorclient.v1.waiting import until

ENDED = ("done", "failed")


class CleanupOperation(ProtectorCommand):
    """Delete what an ended operation left behind; repeating it is safe"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("operation", metavar="<operation-id>", nargs="?", help="Operation (ID)")
        parser.add_argument("--operation-id", metavar="<operation-id>", help="The same as the argument")
        parser.add_argument(
            "--protection-group", metavar="<protection-group>", help="All operations of a group with failed steps"
        )
        options.add_timeout(parser, "Give up waiting after this many seconds; the cleanup goes on")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        given = [value for value in (parsed_args.operation, parsed_args.operation_id) if value]
        given += [parsed_args.protection_group] if parsed_args.protection_group else []
        if len(given) > 1:
            raise exceptions.UsageError(
                "Give one of <operation-id>, --operation-id and --protection-group, not several"
            )
        if not given:
            raise exceptions.BadInput("Give an <operation-id>, --operation-id or --protection-group")
        self.pace(parsed_args)
        if parsed_args.protection_group:
            self._group(parsed_args)
            return
        cloud, record = operations.find(self, given[0])
        self._one(parsed_args, cloud, str(record.id))

    def _group(self, parsed: argparse.Namespace) -> None:
        """Records are site-local, so both sites are looked through."""
        group = routing.reachable(self.clouds, parsed.protection_group).group_id
        found = 0
        for cloud in self.clouds.known:
            try:
                records = cloud.client.operations.list(protection_group_id=group)
            except exceptions.SiteUnreachable as error:
                self.tell(f"Note: {error.message}")
                continue
            for record in operations.with_leftovers(records):
                found += 1
                self._one(parsed, cloud, str(record.id))
        if not found:
            self._say("Nothing is left to clean up")

    def _one(self, parsed: argparse.Namespace, cloud: Cloud, operation: str) -> None:
        manager = cloud.client.operations
        accepted = manager.cleanup(operation)
        self._say(f"Retrying cleanup for operation {operation}...")
        story = Story(self._say)
        story.read(accepted)
        ended = until(
            lambda: manager.get(operation),
            lambda item: bool(item.cleanup) and item.cleanup["status"] != "running",
            self.pace(parsed),
            what=f"Cleanup of operation {operation}",
            on_read=story.read,
        )
        self._end(ended.cleanup)

    def _end(self, cleanup: dict[str, Any]) -> None:
        failures = int(cleanup["failures"])
        deleted = counted(int(cleanup["deleted"]), "resource")
        if failures or cleanup["status"] == "failed":
            self.outcome = 1
            self._say(f"❌ Cleanup ended. {deleted} deleted, {counted(failures, 'failure')}.")
        else:
            self._say(f"✅ Cleanup completed. {deleted} deleted, {failures} failures.")

    def _say(self, text: str) -> None:
        """A terminal that knows no emoji gets the words."""
        encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
        self.app.stdout.write(text.encode(encoding, "ignore").decode(encoding).strip() + "\n")
        self.app.stdout.flush()


class Story:
    """The lines of one cleanup, each told once, in the order in which things happen."""

    def __init__(self, say: Any) -> None:
        self._say = say
        self._told = 0
        self._opened = False

    def read(self, operation: Resource) -> None:
        cleanup = operation.cleanup
        if not cleanup:
            return
        entries = [entry for entry in cleanup["entries"] if entry["status"] != "skipped"]
        if not self._opened and (entries or cleanup["status"] != "running"):
            self._open(cleanup)
        for entry in entries[self._told :]:
            if entry["status"] not in ENDED:
                return
            self._entry(entry, retained=bool(cleanup.get("retained")))
            self._told += 1

    def _open(self, cleanup: dict[str, Any]) -> None:
        self._opened = True
        if cleanup["skipped"]:
            self._say(f"Skipping already-cleaned resources ({cleanup['skipped']} skipped)")
        if cleanup.get("retained"):
            self._say("Volumes retained by configuration — processing now:")

    def _entry(self, entry: dict[str, Any], *, retained: bool) -> None:
        kind = str(entry["resource_type"]).replace("_", " ")
        if not retained:
            self._say(f"Retrying: {entry['step']}")
            if entry.get("observed_status"):
                self._say(f"Checking {kind} status on {entry['site']}... {entry['observed_status']}")
        outcome = "done" if entry["status"] == "done" else f"failed: {entry.get('error') or 'no reason was recorded'}"
        self._say(f"Deleting {kind} {entry['resource_id']}... {outcome}")
