"""`policy …`: how a group is replicated. Tokens of arrays are taken and never shown."""

import argparse
from typing import Any

from protectorclient.osc import options, routing
from protectorclient.osc.base import ShowCommand, ensure_delegation, first_answer, settled
from protectorclient.osc.protection_groups import add_group
from protectorclient.osc.redaction import Secret

COLUMNS = (
    "protection_group_id",
    "primary_fa_url",
    "primary_fa_api_token",
    "secondary_fa_url",
    "secondary_fa_api_token",
    "pure_pg_name",
    "replication_interval",
    "rpo_minutes",
)


class CreatePolicy(ShowCommand):
    """Create or replace the replication policy of a protection group"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = add_group(super().get_parser(prog_name))
        for side in ("primary", "secondary"):
            parser.add_argument(f"--{side}-fa-url", metavar="<url>", help=f"Address of the {side} FlashArray")
            parser.add_argument(
                f"--{side}-fa-token", metavar="<token>", type=Secret, help=f"API token of the {side} FlashArray"
            )
        parser.add_argument("--pure-pg-name", metavar="<name>", help="Name of the protection group on the arrays")
        parser.add_argument("--replication-interval", metavar="<seconds>", help="How often to replicate (default: 300)")
        parser.add_argument("--rpo-minutes", metavar="<minutes>", help="Recovery point objective (default: 15)")
        options.add_timeout(parser, "Give up waiting after this many seconds (default: 900)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        arrays = ("primary_fa_url", "primary_fa_token", "secondary_fa_url", "secondary_fa_token")
        options.required(parsed_args, *arrays, "pure_pg_name")
        interval = options.number(parsed_args, "replication_interval", minimum=1)
        rpo = options.number(parsed_args, "rpo_minutes", minimum=1)
        self.pace(parsed_args)
        place = routing.active(self.clouds, parsed_args.protection_group)
        ensure_delegation(self, place.cloud, place.other)
        manager = place.cloud.client.policies
        manager.create(
            place.group_id,
            primary_fa_url=parsed_args.primary_fa_url,
            primary_fa_api_token=str(parsed_args.primary_fa_token),
            secondary_fa_url=parsed_args.secondary_fa_url,
            secondary_fa_api_token=str(parsed_args.secondary_fa_token),
            pure_pg_name=parsed_args.pure_pg_name,
            replication_interval=interval,
            rpo_minutes=rpo,
        )
        what = f"Applying the policy of '{place.group.name}'"
        record = settled(self, parsed_args, lambda: manager.get(place.group_id), ("applying",), what)
        return self.shown(parsed_args, record, COLUMNS)


class ShowPolicy(ShowCommand):
    """Show the replication policy of a protection group; tokens are masked"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        return add_group(super().get_parser(prog_name))

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        group = parsed_args.protection_group
        _, policy = first_answer(self, lambda client: client.policies.get(client.protection_groups.find_id(group)))
        return self.shown(parsed_args, policy, COLUMNS)
