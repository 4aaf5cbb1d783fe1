"""`health show`: the Protector of one site, what it needs, and on demand each group."""

import argparse
from typing import Any

from protectorclient.osc.base import ListCommand

COMPONENTS = [("Component", "component"), ("Status", "status"), ("Detail", "detail")]
GROUPS = [
    ("Protection Group", "name"),
    ("Link", "link"),
    ("Lag Seconds", "lag_seconds"),
    ("RPO Minutes", "rpo_minutes"),
    ("RPO Compliant", "rpo_compliant"),
    ("Failover Ready", "failover_ready"),
    ("Reasons", "reasons"),
]


class ShowHealth(ListCommand):
    """Show the health of the Protector service and whether the sites can be reached"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument(
            "--protection-groups", action="store_true", help="Show the replication of each protection group instead"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        health = self.clouds.one.client.health.get()
        if parsed_args.protection_groups:
            return self.rows(parsed_args, health.protection_groups or [], GROUPS)
        return self.rows(parsed_args, health.components or [], COMPONENTS)
