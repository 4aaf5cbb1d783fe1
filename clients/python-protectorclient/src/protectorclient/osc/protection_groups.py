"""`protection-group …`: the groups themselves. What moves them is in `actions`."""

import argparse
from typing import Any

from protectorclient import exceptions
from protectorclient.osc import options, output, routing
from protectorclient.osc.base import (
    ListCommand,
    ProtectorCommand,
    ShowCommand,
    ensure_delegation,
    first_answer,
    gone,
    settled,
)
from protectorclient.osc.clouds import Cloud
from protectorclient.v1.base import Resource, given

_IDENTITY = (
    "id",
    "name",
    "status",
    "replication_type",
    "primary_site",
    "secondary_site",
    "current_primary_site",
    "consistency_group_id",
)
CREATED = (*_IDENTITY, "failover_count", "last_failover_at")
SHOWN = (
    *_IDENTITY,
    "member_count",
    "failover_count",
    "last_failover_at",
    "metadata_version",
    "remote_sync_status",
    "remote_sync_version",
    "last_replication_at",
    "policy",
)
LISTED = [
    ("ID", "id"),
    ("Name", "name"),
    ("Status", "status"),
    ("Replication Type", "replication_type"),
    ("Current Primary Site", "current_primary_site"),
]
SYNC = (
    "protection_group_id",
    "sync_status",
    "remote_sync_status",
    "metadata_version",
    "remote_sync_version",
    "failover_epoch",
    "remote_failover_epoch",
    "debts",
    "checked_at",
)


def add_group(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("protection_group", metavar="<protection-group>", help="Protection group (name or ID)")
    return parser


class CreateProtectionGroup(ShowCommand):
    """Create a protection group with its consistency groups on both sites"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--name", metavar="<name>", help="Name of the group")
        parser.add_argument("--description", metavar="<text>", help="Description of the group")
        parser.add_argument("--replication-type", metavar="<async|sync>", help="How its volumes are replicated")
        parser.add_argument("--primary-site", metavar="<site>", help="Site where its VMs run now (name or ID)")
        parser.add_argument("--secondary-site", metavar="<site>", help="Site they fail over to (name or ID)")
        parser.add_argument("--volume-type", metavar="<type>", help="Replicated volume type of all its volumes")
        parser.add_argument(
            "--secondary-volume-type", metavar="<type>", help="Volume type on the secondary site (default: same name)"
        )
        options.add_mappings(parser)
        options.add_ip_policy(parser)
        options.add_timeout(parser, "Give up waiting after this many seconds (default: 900)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        needed = ("name", "replication_type", "primary_site", "secondary_site", "volume_type")
        options.required(parsed_args, *needed)
        options.choice(parsed_args, "replication_type", ("async", "sync"))
        attributes = {name: getattr(parsed_args, name) for name in needed}
        attributes |= {name: getattr(parsed_args, name) for name in ("description", "secondary_volume_type")}
        attributes |= _settings(parsed_args)
        self.pace(parsed_args)
        clouds = self.clouds.both()
        cloud = _local(clouds, parsed_args.primary_site)
        ensure_delegation(self, *clouds)
        manager = cloud.client.protection_groups
        created = manager.create(**attributes)
        what = f"Creating protection group '{created.name}' ({created.id})"
        record = settled(self, parsed_args, lambda: _created(cloud, str(created.id)), ("creating",), what)
        return self.shown(parsed_args, record, CREATED)


class ListProtectionGroup(ListCommand):
    """List the protection groups of the project"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--status", metavar="<status>", help="Only those in this state")
        parser.add_argument("--limit", metavar="<number>", help="At most this many")
        parser.add_argument("--marker", metavar="<id>", help="Only those after this one")
        parser.add_argument("--long", action="store_true", help="More columns")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        records = self.clouds.one.client.protection_groups.list(
            status=parsed_args.status,
            limit=options.number(parsed_args, "limit", minimum=1),
            marker=parsed_args.marker,
        )
        columns = list(LISTED)
        if parsed_args.long:
            more = ("member_count", "failover_count", "last_failover_at", "last_replication_at", "remote_sync_status")
            columns += [(key.replace("_", " ").title(), key) for key in more]
        return self.rows(parsed_args, records, columns)


class ShowProtectionGroup(ShowCommand):
    """Show a protection group"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        return add_group(super().get_parser(prog_name))

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        group = parsed_args.protection_group
        _, record = first_answer(self, lambda client: client.protection_groups.get(group))
        return self.shown(parsed_args, *_view(record, parsed_args))


class UpdateProtectionGroup(ShowCommand):
    """Change the name, description, stored mappings or IP policy of a protection group"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = add_group(super().get_parser(prog_name))
        parser.add_argument("--name", metavar="<name>", help="New name")
        parser.add_argument("--description", metavar="<text>", help="New description")
        options.add_mappings(parser)
        options.add_ip_policy(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        changes = given(name=parsed_args.name, description=parsed_args.description, **_settings(parsed_args))
        if not changes:
            raise exceptions.BadInput("Nothing to change was given")
        place = routing.active(self.clouds, parsed_args.protection_group)
        manager = place.cloud.client.protection_groups
        manager.update(place.group_id, **changes)
        return self.shown(parsed_args, *_view(manager.get(place.group_id), parsed_args))


class DeleteProtectionGroup(ProtectorCommand):
    """Delete a protection group and its consistency groups"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = add_group(super().get_parser(prog_name))
        options.add_timeout(parser, "Give up waiting after this many seconds (default: 900)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        self.pace(parsed_args)
        self.clouds.both()
        place = routing.active(self.clouds, parsed_args.protection_group)
        manager = place.cloud.client.protection_groups
        manager.delete(place.group_id)
        gone(self, parsed_args, lambda: manager.get(place.group_id), f"Deleting protection group '{place.group.name}'")


class ShowSyncStatus(ShowCommand):
    """Show whether both sites hold the same metadata of a protection group"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        return add_group(super().get_parser(prog_name))

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        place = routing.reachable(self.clouds, parsed_args.protection_group)
        return self.shown(parsed_args, place.cloud.client.protection_groups.sync_status(place.group_id), SYNC)


def _settings(parsed: argparse.Namespace) -> dict[str, Any]:
    options.choice(parsed, "ip_policy", ("keep", "release"))
    return {
        "network_mapping": options.mapping(parsed, "network_mapping"),
        "flavor_mapping": options.mapping(parsed, "flavor_mapping"),
        "ip_policy": parsed.ip_policy,
    }


def _view(record: Resource, parsed: argparse.Namespace) -> tuple[Resource, tuple[str, ...]]:
    """A table has the documented fields, with the policy in a few words; a program gets everything."""
    extra = ("error_message",) if record.error_message else ()
    if parsed.formatter in output.STRUCTURED or parsed.columns:
        rest = tuple(key for key in record if key not in SHOWN)
        return record, (*SHOWN, *rest)
    policy = record.policy
    summary = (
        f"{policy['pure_pg_name']}, every {policy['replication_interval']} s, RPO {policy['rpo_minutes']} min"
        if policy
        else None
    )
    return Resource(record | {"policy": summary}), (*SHOWN, *extra)


def _created(cloud: Cloud, group: str) -> Resource:
    """The new group; where its creation was undone it is gone, and the reason is in the operation."""
    try:
        record: Resource = cloud.client.protection_groups.get(group)
    except exceptions.NotFound:
        operations = cloud.client.operations.list(protection_group_id=group, limit=1)
        reason = operations[0].error_message if operations else None
        return Resource(status="error", error_message=reason or "it was undone")
    return record


def _local(clouds: tuple[Cloud, Cloud], site: str) -> Cloud:
    """The cloud that is `site` (name or id): a group is created where its VMs run."""
    for cloud in clouds:
        local = [item for item in cloud.client.sites.list_for_project() if item.is_local]
        if local and site in (local[0].name, local[0].id):
            return cloud
    raise exceptions.BadInput(
        f"Neither of the two clouds is the site '{site}'",
        remedy="See `openstack dr site list`, and check --os-cloud and --secondary-cloud.",
    )
