"""What moves a protection group: failover, failback, and their tests.

Each command only says what it sends and where; `ActionCommand` sends it, asks for missing mappings, waits and reports.
"""

import argparse
from typing import Any

from protectorclient.osc import options, prompts, recovery_point, routing
from protectorclient.osc.base import ShowCommand, ensure_delegation
from protectorclient.osc.protection_groups import add_group
from protectorclient.osc.watching import watch
from protectorclient.v1.base import Resource, given

COLUMNS = ("operation_id", "operation_type", "status", "progress")


class ActionCommand(ShowCommand):
    """Send one action and report its operation."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = add_group(super().get_parser(prog_name))
        options.add_wait(parser)
        return parser

    def submit(
        self, parsed: argparse.Namespace, place: routing.Place, action: str, arguments: dict[str, Any]
    ) -> tuple[Any, Any]:
        """The accepted operation as the documented four fields; with --wait, the ended one."""
        pace = self.pace(parsed)
        groups = place.cloud.client.protection_groups
        with_prompts = prompts.Prompts(self.app.stdin)

        def send(complete: dict[str, Any]) -> Resource:
            operation: Resource = groups.action(place.group_id, action, **complete)
            return operation

        operation = with_prompts.complete(send, arguments)
        if arguments.get("force"):
            operation = recovery_point.state(self, place, operation, pace)
        return self.report(parsed, place.cloud, operation)

    def report(self, parsed: argparse.Namespace, cloud: Any, operation: Resource) -> tuple[Any, Any]:
        if parsed.wait:
            operation = watch(self, cloud, operation, self.pace(parsed))
        return self.shown(parsed, Resource(operation | {"operation_id": operation.id}), COLUMNS)

    def place(self, parsed: argparse.Namespace, action: str, *, force: bool) -> routing.Place:
        """Unplanned moves go to the target and need nobody else; all others need both sites."""
        if force:
            place = routing.target(self.clouds, parsed.protection_group, action)
            ensure_delegation(self, place.cloud)
            return place
        self.clouds.both()
        place = routing.active(self.clouds, parsed.protection_group)
        ensure_delegation(self, place.cloud, place.other)
        return place


class Failover(ActionCommand):
    """Fail a protection group over to its other site"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_move(parser)
        options.add_mappings(parser)
        options.add_ip_policy(parser)
        parser.add_argument("--allow-hard-stop", action="store_true", help=HARD_STOP)
        parser.add_argument(
            "--retain-primary", action="store_true", help="Make it a drill: nothing moves, the primary VMs keep running"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        force = options.forced(parsed_args)
        arguments = mappings(parsed_args) | given(
            force=force,
            allow_hard_stop=parsed_args.allow_hard_stop or None,
            retain_primary=parsed_args.retain_primary or None,
        )
        self.pace(parsed_args)
        return self.submit(parsed_args, self.place(parsed_args, "failover", force=force), "failover", arguments)


class Failback(ActionCommand):
    """Return a protection group to its original primary site"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_move(parser)
        options.add_mappings(parser)
        options.add_ip_policy(parser)
        parser.add_argument(
            "--reverse-replication", action="store_true", help="First bring back what was written since the failover"
        )
        parser.add_argument("--allow-hard-stop", action="store_true", help=HARD_STOP)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        force = options.forced(parsed_args)
        arguments = mappings(parsed_args) | failback_arguments(parsed_args, force)
        self.pace(parsed_args)
        return self.submit(parsed_args, self.place(parsed_args, "failback", force=force), "failback", arguments)


class TestFailover(ActionCommand):
    """Rehearse a failover on the other site without touching the primary VMs"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        options.add_mappings(parser)
        options.add_ip_policy(parser)
        add_retain(parser)
        options.add_health_checks(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        checks = options.health_checks(parsed_args)
        arguments = mappings(parsed_args) | given(
            retain_primary=not parsed_args.no_retain_primary, health_checks=checks
        )
        self.pace(parsed_args)
        place = self.place(parsed_args, "test_failover", force=False)
        return self.submit(parsed_args, place, "test_failover", arguments)


class TestCleanup(ActionCommand):
    """Remove what a test failover created"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_test_operation(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        self.pace(parsed_args)
        place = routing.reachable(self.clouds, parsed_args.protection_group)
        arguments = given(test_operation_id=parsed_args.test_operation_id)
        return self.submit(parsed_args, place, "test_cleanup", arguments)


class ResetProtectionGroup(ActionCommand):
    """Return a protection group from the error state once what it names was put right (admin)"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--status", metavar="<active|failed_over>", help="State to return to (default: the last)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        self.pace(parsed_args)
        place = routing.reachable(self.clouds, parsed_args.protection_group)
        return self.submit(parsed_args, place, "reset", given(status=parsed_args.status))


class SyncForce(ActionCommand):
    """Settle with a site that came back: stop what must not run there, then bring the metadata in sync"""

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        self.pace(parsed_args)
        place = routing.active(self.clouds, parsed_args.protection_group)
        ensure_delegation(self, place.cloud, place.other)
        operation = place.cloud.client.protection_groups.sync_force(place.group_id)
        return self.report(parsed_args, place.cloud, operation)


class Action(ActionCommand):
    """Start an action on a protection group by its name"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--action", metavar="<action>", help="One of " + ", ".join(ACTIONS))
        add_move(parser)
        options.add_mappings(parser)
        options.add_ip_policy(parser)
        add_retain(parser)
        add_test_operation(parser)
        parser.add_argument("--reverse-replication", action="store_true", help="With failback: bring back new writes")
        parser.add_argument("--allow-hard-stop", action="store_true", help=HARD_STOP)
        parser.add_argument("--status", metavar="<status>", help="With reset: the state to return to")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        options.required(parsed_args, "action")
        parsed_args.action = parsed_args.action.replace("_", "-")
        options.choice(parsed_args, "action", ACTIONS)
        action = parsed_args.action.replace("-", "_")
        force = options.forced(parsed_args) and action in ("failover", "failback")
        arguments = self._arguments(parsed_args, action, force)
        self.pace(parsed_args)
        if action in ("test_cleanup", "reset"):
            place = routing.reachable(self.clouds, parsed_args.protection_group)
        else:
            place = self.place(parsed_args, action, force=force)
        return self.submit(parsed_args, place, action, arguments)

    def _arguments(self, parsed: argparse.Namespace, action: str, force: bool) -> dict[str, Any]:
        """Only what the action takes: the server refuses keys it does not know."""
        moves = mappings(parsed)
        retain = None if not parsed.retain_primary else True
        return {
            "failover": moves
            | given(force=force, allow_hard_stop=parsed.allow_hard_stop or None, retain_primary=retain),
            "failback": moves | failback_arguments(parsed, force),
            "test_failover": moves | {"retain_primary": not parsed.no_retain_primary},
            "test_cleanup": given(test_operation_id=parsed.test_operation_id),
            "sync_volumes": {},
            "reset": given(status=parsed.status),
        }[action]


ACTIONS = ("failover", "failback", "test-failover", "test-cleanup", "sync-volumes", "reset")
HARD_STOP = "Power a VM off that does not shut down in time, which may cost its last writes"


def add_move(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--type", metavar="<planned|unplanned>", help="unplanned: the source site is lost, go on without it"
    )
    parser.add_argument("--force", action="store_true", help="The same as --type unplanned: accept the loss of data")


def add_retain(parser: argparse.ArgumentParser) -> None:
    retain = parser.add_mutually_exclusive_group()
    retain.add_argument(
        "--retain-primary", action="store_true", help="Let the primary VMs run during the test (default)"
    )
    retain.add_argument("--no-retain-primary", action="store_true", help="Pause the primary VMs during the test")


def add_test_operation(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--test-operation-id", metavar="<operation>", help="The test failover to clean up")


def failback_arguments(parsed: argparse.Namespace, force: bool) -> dict[str, Any]:
    hard = parsed.allow_hard_stop or None
    return given(force=force, reverse_replication=parsed.reverse_replication, allow_hard_stop=hard)


def mappings(parsed: argparse.Namespace) -> dict[str, Any]:
    """The arguments that every move takes."""
    ip_policy = getattr(parsed, "ip_policy", None)
    if ip_policy is not None:
        options.choice(parsed, "ip_policy", ("keep", "release"))
    return given(
        network_mapping=options.mapping(parsed, "network_mapping"),
        flavor_mapping=options.mapping(parsed, "flavor_mapping"),
        ip_policy=ip_policy,
    )
