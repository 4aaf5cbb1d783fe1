"""`site …`: the two clouds. Creating one writes both Protectors, so that both call it by the same id."""

import argparse
import uuid
from typing import Any

from protectorclient import exceptions
from protectorclient.osc import options
from protectorclient.osc.base import ListCommand, ProtectorCommand, ShowCommand
from protectorclient.osc.clouds import Cloud
from protectorclient.v1.base import Resource, not_found

COLUMNS = ("id", "name", "site_type", "auth_url", "region_name", "status")


class CreateSite(ShowCommand):
    """Register a site with the Protectors of both clouds (admin)"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--name", metavar="<name>", help="Name of the site, as its own Protector calls itself")
        parser.add_argument("--description", metavar="<text>", help="Description of the site")
        parser.add_argument("--site-type", metavar="<primary|secondary>", help="Where its workloads start from")
        parser.add_argument("--auth-url", metavar="<url>", help="Address of the site's identity service")
        parser.add_argument("--region-name", metavar="<region>", help="Region of the site")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        options.required(parsed_args, "name", "site_type", "auth_url")
        options.choice(parsed_args, "site_type", ("primary", "secondary"))
        clouds = self.clouds.both()
        keys = _keys(clouds, parsed_args.name)
        attributes = {
            "id": str(uuid.uuid4()),
            "name": parsed_args.name,
            "description": parsed_args.description,
            "site_type": parsed_args.site_type,
            "auth_url": parsed_args.auth_url,
            "region_name": parsed_args.region_name,
            **keys,
        }
        return self.shown(parsed_args, self._write(clouds, attributes), COLUMNS)

    def _write(self, clouds: tuple[Cloud, Cloud], attributes: dict[str, Any]) -> Resource:
        """Both or none: an id of our own lets us take back also what was written without our hearing of it."""
        first, second = clouds
        record: Resource = first.client.sites.create(**attributes)
        try:
            second.client.sites.create(**attributes)
        except exceptions.ProtectorClientError:
            for cloud in (second, first):
                self._take_back(cloud, attributes["id"])
            raise
        return record

    def _take_back(self, cloud: Cloud, site: str) -> None:
        try:
            cloud.client.sites.delete(site)
        except exceptions.NotFound:
            return
        except exceptions.ProtectorClientError as error:
            self.tell(f"Note: site {site} could not be taken back on {cloud.label}: {error.message}")


class DeleteSite(ProtectorCommand):
    """Remove a site registration from both Protectors (admin); refused while a protection group refers to it"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        return _with_site(super().get_parser(prog_name))

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        found = [(cloud, site) for cloud in self.clouds.known if (site := _find(cloud, parsed_args.site)) is not None]
        if not found:
            raise not_found("site", parsed_args.site)
        for cloud, site in found:
            cloud.client.sites.delete(site)


class ListSite(ListCommand):
    """List the registered sites"""

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        manager = self.clouds.one.client.sites
        try:
            records = manager.list()
        except exceptions.Forbidden:
            records = manager.list_for_project()
        columns = [("ID", "id"), ("Name", "name"), ("Site Type", "site_type"), ("Status", "status")]
        return self.rows(parsed_args, records, columns)


class ShowSite(ShowCommand):
    """Show a site with what the last validation found it capable of (admin)"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        return _with_site(super().get_parser(prog_name))

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        record = self.clouds.one.client.sites.get(parsed_args.site)
        columns = ("id", "name", "description", *COLUMNS[2:], "reachability", "capabilities")
        return self.shown(parsed_args, record, columns)


class ValidateSite(ListCommand):
    """Test that the services of a site can be reached (admin); exits with 1 when one cannot"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        return _with_site(super().get_parser(prog_name))

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        validation = self.clouds.one.client.sites.validate(parsed_args.site)
        checks = [dict(check) for check in validation.checks or []]
        if any(check.get("status") != "ok" for check in checks):
            self.outcome = 1
        if validation.capabilities:
            checks.append({"name": "capabilities", "status": validation.status, "detail": validation.capabilities})
        return self.rows(parsed_args, checks, [("Check", "name"), ("Status", "status"), ("Detail", "detail")])


class ListSiteVolumeTypes(ListCommand):
    """List the volume types of a site and whether they are replicated (admin)"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        return _with_site(super().get_parser(prog_name))

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        records = self.clouds.one.client.sites.volume_types(parsed_args.site)
        columns = [
            ("ID", "id"),
            ("Name", "name"),
            ("Replication Enabled", "replication_enabled"),
            ("Replication Type", "replication_type"),
        ]
        return self.rows(parsed_args, records, columns)


def _find(cloud: Cloud, site: str) -> str | None:
    """Its id there. Both Protectors are asked before either is changed, so that a dead one changes nothing."""
    try:
        return str(cloud.client.sites.get(site).id)
    except exceptions.NotFound:
        return None


def _with_site(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("site", metavar="<site>", help="Site (name or ID)")
    return parser


def _keys(clouds: tuple[Cloud, Cloud], name: str) -> dict[str, Any]:
    """The public keys of the Protector that calls itself `name`: each will check the other's signature with them."""
    identities = [cloud.client.sites.identity() for cloud in clouds]
    named = [identity for identity in identities if identity.site_name == name]
    if len(named) != 1:
        found = " and ".join(f"'{identity.site_name}'" for identity in identities)
        raise exceptions.BadInput(
            f"Exactly one of the two Protectors must call itself '{name}'; they call themselves {found}",
            remedy="Set [DEFAULT] site_name in protector.conf of each site, or use that name.",
        )
    return {"signing_key": named[0].signing_key, "sealing_key": named[0].sealing_key}
