"""What the records say is rightly on one site."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from sandbox.check.clouds import GROUP, KEY, Server
from sandbox.check.databases import Row
from sandbox.check.picture import Picture

_QUARANTINED = "quarantined"


@dataclass
class Belongings:
    """Ids by kind; array volumes by id and by name, array groups by name in lower case.

    A volume that is kept on purpose (a copy's row) belongs too; one in quarantine does not: the operation's record must name it.
    """

    picture: Picture
    servers: set[str] = field(default_factory=set)
    volumes: set[str] = field(default_factory=set)
    copies: set[str] = field(default_factory=set)
    volume_groups: set[str] = field(default_factory=set)
    trusts: set[str] = field(default_factory=set)
    array_volumes: set[str] = field(default_factory=set)
    array_groups: set[str] = field(default_factory=set)
    policies: set[str] = field(default_factory=set)
    tests: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, picture: Picture, site: str) -> Belongings:
        """Those of one site."""
        found = cls(picture)
        for group in picture.groups.values():
            name_of = group.database.site_name
            if group.active == site:
                found.servers |= {row["instance_id"] for row in group.rows("members")}
                for volume in group.rows("volumes"):
                    found._volume(volume)
            for copy in group.rows("volume_copies"):
                if name_of(copy["site_id"]) == site and copy["state"] != _QUARANTINED:
                    found._volume(copy)
                    found.copies |= {copy["volume_id"]} - {None}
            found.volume_groups |= {id for at, id in group.row["cinder_groups"].items() if name_of(at) == site}
            found.policies |= {row["pure_pg_name"].lower() for row in group.rows("policies")}
            for generation in group.row["lineage"]:
                if generation["source_group"] and name_of(generation["site_id"]) == site:
                    found.array_groups.add(generation["source_group"].lower())
            found.tests |= {group.row["active_test_operation_id"]} - {None}
        if site in picture.databases:
            found.trusts |= {row["trust_id"] for row in picture.databases[site].rows("delegations")}
        return found

    def _volume(self, row: Row) -> None:
        self.volumes |= {row["volume_id"]} - {None}
        self.array_volumes |= {row["array_volume_name"], row["array_volume_id"]} - {None}

    def is_test(self, metadata: Mapping[str, str]) -> bool:
        """It is the active drill's."""
        return self.is_test_operation(metadata.get(KEY, "").partition("/")[0])

    def is_test_operation(self, operation_id: str | None) -> bool:
        """It is the active drill."""
        return operation_id in self.tests

    def kept(self, server: Server) -> bool:
        """An active drill's; or an old primary's that a forced move left stopped with its volumes, which are all on record."""
        stopped = server.status != "ACTIVE" and bool(server.volume_ids)
        return self.is_test(server.metadata) or (stopped and self.copies.issuperset(server.volume_ids))

    def released(self, metadata: Mapping[str, str], id: str) -> bool:
        """A person's own again: the group was deleted, or the VM taken out of it; the marks stay on what was theirs."""
        group_id = metadata.get(GROUP)
        for _, operation in self.picture.operations():
            if operation["status"] != "completed" or operation["group_id"] != group_id:
                continue
            if operation["type"] == "delete_group" and group_id not in self.picture.groups:
                return True
            if operation["type"] == "remove_member" and id in json.dumps(operation["plan"]):
                return True
        return False

    def replicates(self, name: str) -> bool:
        """A policy's own name, or one made from it for a later epoch."""
        stem, _, epoch = name.lower().rpartition("-e")
        return name.lower() in self.policies or (epoch.isdigit() and any(p.startswith(stem) for p in self.policies))

    def operation_of_suffix(self, suffix: str) -> Row | None:
        """Whose snapshot `dr-<operation>` or `dr-<operation>-r` is."""
        for id, (_, operation) in self.picture.operations_by_id.items():
            if suffix.startswith(f"dr-{id.lower()}"):
                return operation
        return None
