"""`tenant-mapping …`: which project there is this project here (admin). Creating one writes both sides."""

import argparse
from typing import Any

from protectorclient import exceptions
from protectorclient.osc import options
from protectorclient.osc.base import ListCommand, ProtectorCommand, ShowCommand
from protectorclient.osc.clouds import Cloud
from protectorclient.v1.base import Resource

COLUMNS = ("id", "local_project_id", "remote_site", "remote_project_id")


class CreateTenantMapping(ShowCommand):
    """Say which project of the other site belongs to a project of this one (admin)"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--local-project", metavar="<project>", help="Project on the primary cloud (name or ID)")
        parser.add_argument("--remote-site", metavar="<site>", help="The other site, by name")
        parser.add_argument("--remote-project", metavar="<project>", help="Project there (name or ID)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        options.required(parsed_args, "local_project", "remote_site", "remote_project")
        here, there = self.clouds.one, self._other(parsed_args.remote_site)
        local = _project_id(here, parsed_args.local_project)
        remote = _project_id(there, parsed_args.remote_project) if there else parsed_args.remote_project
        record: Resource = here.client.tenant_mappings.create(
            local_project_id=local, remote_site=parsed_args.remote_site, remote_project_id=remote
        )
        if there is not None:
            self._mirror(here, there, record)
        return self.shown(parsed_args, record, COLUMNS)

    def _other(self, site: str) -> Cloud | None:
        """The cloud of the remote site, if its credentials are known."""
        if self.clouds.primary is None or self.clouds.secondary is None:
            self.tell(f"Note: without the credentials of both sites, an admin of {site} has to map it back there")
            return None
        other = self.clouds.secondary
        name = other.client.sites.identity().site_name
        if name != site:
            raise exceptions.BadInput(f"{other.label} is the site '{name}', not '{site}'")
        return other

    def _mirror(self, here: Cloud, there: Cloud, record: Resource) -> None:
        """The same on the other side; if that is refused, this side's is taken back."""
        try:
            there.client.tenant_mappings.create(
                local_project_id=record.remote_project_id,
                remote_site=here.client.sites.identity().site_name,
                remote_project_id=record.local_project_id,
            )
        except exceptions.ProtectorClientError:
            try:
                here.client.tenant_mappings.delete(str(record.id))
            except exceptions.ProtectorClientError as error:
                self.tell(f"Note: mapping {record.id} could not be taken back on {here.label}: {error.message}")
            raise


class ListTenantMapping(ListCommand):
    """List the tenant mappings of one site (admin)"""

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        columns = [
            ("ID", "id"),
            ("Local Project ID", "local_project_id"),
            ("Remote Site", "remote_site"),
            ("Remote Project ID", "remote_project_id"),
        ]
        return self.rows(parsed_args, self.clouds.one.client.tenant_mappings.list(), columns)


class DeleteTenantMapping(ProtectorCommand):
    """Delete a tenant mapping, and its mirror on the other site where its credentials are known (admin)"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("tenant_mapping", metavar="<tenant-mapping>", help="Tenant mapping (ID)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        here = self.clouds.one
        wanted = [item for item in here.client.tenant_mappings.list() if item.id == parsed_args.tenant_mapping]
        here.client.tenant_mappings.delete(parsed_args.tenant_mapping)
        there = self.clouds.secondary
        if not wanted or there is None or there is here:
            return
        for mirror in there.client.tenant_mappings.list():
            if (mirror.local_project_id, mirror.remote_project_id) == (
                wanted[0].remote_project_id,
                wanted[0].local_project_id,
            ):
                there.client.tenant_mappings.delete(str(mirror.id))


def _project_id(cloud: Cloud, project: str) -> str:
    """The id of a project by name or id, from the identity service of its cloud."""
    return str(cloud.client.projects.find_id(project))
