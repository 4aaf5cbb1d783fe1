"""`delegation …`: the trust of this project on each site. The other commands make it on first use."""

import argparse
from typing import Any

from protectorclient import exceptions
from protectorclient.osc.base import ListCommand, ProtectorCommand
from protectorclient.osc.clouds import Cloud
from protectorclient.v1.base import Resource

COLUMNS = [
    ("Cloud", "cloud"),
    ("Project ID", "project_id"),
    ("Trust ID", "trust_id"),
    ("Trustor User ID", "trustor_user_id"),
    ("Status", "status"),
    ("Checked At", "checked_at"),
]


class ShowDelegation(ListCommand):
    """Show the delegation of the project on each site"""

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        records = [_labelled(cloud, _read(cloud)) for cloud in self.clouds.known]
        return self.rows(parsed_args, records, COLUMNS)


class CreateDelegation(ListCommand):
    """Let the service act for this project on each site, by a trust made from your own token"""

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        records = [_labelled(cloud, cloud.client.delegations.create()) for cloud in self.clouds.known]
        return self.rows(parsed_args, records, COLUMNS)


class DeleteDelegation(ProtectorCommand):
    """Take the delegation of the project back on each site; protection stops working without one"""

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        for cloud in self.clouds.known:
            try:
                cloud.client.delegations.delete()
            except exceptions.NotFound:
                self.tell(f"Note: there is no delegation on {cloud.label}")


def _read(cloud: Cloud) -> Resource:
    try:
        found: Resource = cloud.client.delegations.get()
    except exceptions.NotFound:
        return Resource(project_id=cloud.client.project_id, status="none")
    return found


def _labelled(cloud: Cloud, record: Resource) -> Resource:
    return Resource(record | {"cloud": cloud.site_name() or cloud.label})
