"""`member …`: the VMs of a group."""

import argparse
from typing import Any

from protectorclient.osc import options, routing
from protectorclient.osc.base import (
    ListCommand,
    ProtectorCommand,
    ShowCommand,
    ensure_delegation,
    first_answer,
    gone,
    settled,
)
from protectorclient.osc.protection_groups import add_group

COLUMNS = ("id", "instance_id", "instance_name", "status", "volumes_added")


class AddMember(ShowCommand):
    """Add a VM with all its volumes to a protection group"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = add_group(super().get_parser(prog_name))
        parser.add_argument("--instance-id", metavar="<instance>", help="The VM (ID or name)")
        options.add_timeout(parser, "Give up waiting after this many seconds (default: 900)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        options.required(parsed_args, "instance_id")
        self.pace(parsed_args)
        self.clouds.both()
        place = routing.active(self.clouds, parsed_args.protection_group)
        ensure_delegation(self, place.cloud, place.other)
        manager = place.cloud.client.members
        added = manager.add(place.group_id, parsed_args.instance_id)
        what = f"Adding instance '{added.instance_name or added.instance_id}' (member {added.id})"
        record = settled(self, parsed_args, lambda: manager.get(place.group_id, str(added.id)), ("adding",), what)
        return self.shown(parsed_args, record, COLUMNS)


class RemoveMember(ProtectorCommand):
    """Remove a VM and its volumes from a protection group; the VM itself stays as it is"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = add_group(super().get_parser(prog_name))
        parser.add_argument("--member-id", metavar="<member>", help="Member (ID, or instance name or ID)")
        options.add_timeout(parser, "Give up waiting after this many seconds (default: 900)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        options.required(parsed_args, "member_id")
        self.pace(parsed_args)
        self.clouds.both()
        place = routing.active(self.clouds, parsed_args.protection_group)
        manager = place.cloud.client.members
        member = manager.find(place.group_id, parsed_args.member_id)
        manager.remove(place.group_id, str(member.id))
        what = f"Removing member '{member.instance_name}'"
        gone(self, parsed_args, lambda: manager.get(place.group_id, str(member.id)), what)


class ListMember(ListCommand):
    """List the VMs of a protection group"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        return add_group(super().get_parser(prog_name))

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud, group = first_answer(self, lambda client: client.protection_groups.find(parsed_args.protection_group))
        columns = [
            ("ID", "id"),
            ("Instance ID", "instance_id"),
            ("Instance Name", "instance_name"),
            ("Status", "status"),
            ("Volumes Added", "volumes_added"),
        ]
        return self.rows(parsed_args, cloud.client.members.list(str(group.id)), columns)
