"""The tables. A column has the name of the domain's field; what only the store knows is marked in each table.

`created_us` orders listings below the second (`created_at` is what people see); `revision` counts the changes of a row, so that a
save can tell whether somebody else was faster. Text compares by code point (`utf8mb4_bin`): step names and ids differ by case.
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.schema import SchemaItem

from siterecovery.protector.domain.epoch import Claim, Generation
from siterecovery.protector.domain.member import Rebuild
from siterecovery.protector.domain.operation import FailedStep
from siterecovery.protector.domain.states import (
    GroupStatus,
    MemberStatus,
    OperationStatus,
    OperationType,
    PolicyStatus,
    SiteStatus,
    SyncStatus,
)
from siterecovery.protector.store.columns import Json, Named, long_text
from siterecovery.workflow.journal import State

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
    }
)


def _table(name: str, *items: SchemaItem) -> sa.Table:
    return sa.Table(name, metadata, *items, mysql_engine="InnoDB", mysql_charset="utf8mb4", mysql_collate="utf8mb4_bin")


def _id(name: str = "id") -> sa.Column[Any]:
    return sa.Column(name, sa.String(64), primary_key=True)


def _ref(name: str, *, null: bool = False) -> sa.Column[Any]:
    """The id of something that may live elsewhere or be gone."""
    return sa.Column(name, sa.String(64), nullable=null)


def _child(name: str, parent: str) -> sa.Column[Any]:
    """The row goes with its parent."""
    return sa.Column(name, sa.String(64), sa.ForeignKey(parent, ondelete="CASCADE"), nullable=False)


def _name(name: str, *, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.String(255), nullable=null)


def _text(name: str, *, null: bool = True) -> sa.Column[Any]:
    return sa.Column(name, long_text(), nullable=null)


def _json(name: str, hint: Any, *, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, Json(hint), nullable=null)


def _state(name: str, kind: Any) -> sa.Column[Any]:
    return sa.Column(name, Named(kind), nullable=False)


def _int(name: str, *, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger, nullable=null)


def _bool(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Boolean, nullable=False)


def _time(name: str, *, null: bool = True) -> sa.Column[Any]:
    """As people read it: `YYYY-MM-DDTHH:MM:SSZ`."""
    return sa.Column(name, sa.String(32), nullable=null)


sites = _table(
    "sites",
    _id(),
    sa.Column("name", sa.String(255), nullable=False, unique=True),
    _name("site_type"),
    _text("auth_url", null=False),
    _text("description", null=False),
    _name("region_name", null=True),
    _state("status", SiteStatus),
    _json("capabilities", dict[str, Any]),
    _text("reachability", null=False),
    _text("signing_key"),
    _text("sealing_key"),
    _time("created_at", null=False),
)

protection_groups = _table(
    "protection_groups",
    _id(),
    _name("name"),
    _ref("project_id"),
    _ref("primary_site_id"),
    _ref("secondary_site_id"),
    _ref("current_primary_site_id"),
    _name("volume_type"),
    _name("secondary_volume_type"),
    sa.Column("replication_type", sa.String(32), nullable=False),
    _text("description", null=False),
    _state("status", GroupStatus),
    _text("error_message"),
    _json("cinder_groups", dict[str, str]),
    _json("network_mapping", dict[str, str]),
    _json("flavor_mapping", dict[str, str]),
    sa.Column("ip_policy", sa.String(32), nullable=False),
    _int("failover_epoch"),
    _json("lineage", tuple[Generation, ...]),
    _json("claim", Claim),
    _ref("hold_operation_id", null=True),
    _ref("remote_hold", null=True),
    _int("failover_count"),
    _time("last_failover_at"),
    _time("last_replication_at"),
    _ref("active_test_operation_id", null=True),
    _int("metadata_version"),
    _state("remote_sync_status", SyncStatus),
    _int("remote_sync_version", null=True),
    _int("remote_failover_epoch", null=True),
    _time("created_at", null=False),
    _time("updated_at", null=False),
    _json("extra", dict[str, Any]),
    # the store's own
    _int("created_us"),
    _int("revision"),
    sa.Index(None, "created_us", "id"),
    sa.Index(None, "project_id", "created_us", "id"),
    sa.Index(None, "project_id", "name"),
)

members = _table(
    "members",
    _id(),
    _child("group_id", "protection_groups.id"),
    _ref("instance_id"),
    _name("instance_name"),
    _state("status", MemberStatus),
    _json("rebuild", Rebuild, null=True),
    _text("error_message"),
    _int("index"),
    _time("created_at", null=False),
    sa.Index(None, "group_id", "index"),
    sa.Index(None, "instance_id"),
)

volumes = _table(
    "volumes",
    _id(),
    _child("group_id", "protection_groups.id"),
    _child("member_id", "members.id"),
    _ref("volume_id"),
    _name("name"),
    _int("size"),
    _int("boot_index", null=True),
    _name("device", null=True),
    _bool("bootable"),
    _name("disk_bus", null=True),
    _bool("delete_on_termination"),
    _json("image_metadata", dict[str, str]),
    _json("metadata", dict[str, str]),
    _name("availability_zone", null=True),
    _name("array_volume_name", null=True),
    _name("array_volume_id", null=True),
    sa.Index(None, "group_id"),
    sa.Index(None, "member_id"),
)

volume_copies = _table(
    "volume_copies",
    _id(),
    _child("group_id", "protection_groups.id"),
    _ref("lineage_volume_id"),
    _ref("site_id"),
    _int("epoch"),
    sa.Column("state", sa.String(32), nullable=False),
    _ref("operation_id"),
    _ref("volume_id", null=True),
    _name("array_volume_name", null=True),
    _name("array_volume_id", null=True),
    _time("created_at", null=False),
    sa.Index(None, "group_id"),
)

policies = _table(
    "policies",
    sa.Column("group_id", sa.String(64), sa.ForeignKey("protection_groups.id", ondelete="CASCADE"), primary_key=True),
    _text("primary_fa_url", null=False),
    _text("primary_fa_token", null=False),  # sealed
    _text("secondary_fa_url", null=False),
    _text("secondary_fa_token", null=False),  # sealed
    _name("pure_pg_name"),
    _int("replication_interval"),
    _int("rpo_minutes"),
    _state("status", PolicyStatus),
    _text("error_message"),
)

operations = _table(
    "operations",
    _id(),
    _ref("group_id"),  # no foreign key: operations stay readable when their group is gone
    _ref("project_id"),
    _state("type", OperationType),
    _ref("source_site_id", null=True),
    _ref("target_site_id", null=True),
    _state("status", OperationStatus),
    _int("progress"),
    _text("current_step"),
    _bool("force"),
    _json("request", dict[str, Any]),
    _json("plan", dict[str, Any]),
    _int("epoch", null=True),
    _time("recovery_point_at"),
    _json("result_data", dict[str, Any], null=True),
    _text("error_message"),
    _json("warnings", tuple[str, ...]),
    _json("steps_completed", tuple[str, ...]),
    _json("steps_failed", tuple[FailedStep, ...]),
    _name("cancelled_by", null=True),
    _bool("cleanup_requested"),
    _json("cleanup", dict[str, Any], null=True),
    _int("late_calls"),
    _int("late_calls_settled"),
    _ref("user_id", null=True),
    _name("request_id", null=True),
    _time("created_at", null=False),
    _time("started_at"),
    _time("completed_at"),
    # the store's own
    _int("created_us"),
    _int("revision"),
    _bool("open"),  # an engine has to do something about it
    _bool("internal"),  # tenants see it only when they ask
    _name("lease_owner", null=True),  # None: never owned, or handed over
    _int("lease_epoch"),  # 0: never owned
    _int("lease_expires_at", null=True),  # microseconds, as is the next one
    _int("lease_taken_over_at", null=True),  # the last time it was taken from an owner that had not handed it over
    _int("journal_seq"),  # how many journal entries were ever written; changing it is what guards the journal
    sa.Index("ix_operations_listed", "project_id", "internal", "created_us", "id"),
    sa.Index("ix_operations_all", "project_id", "created_us", "id"),
    sa.Index("ix_operations_by_group", "project_id", "group_id", "internal", "created_us", "id"),
    sa.Index("ix_operations_by_status", "project_id", "status", "internal", "created_us", "id"),
    sa.Index("ix_operations_by_type", "project_id", "type", "created_us", "id"),
    sa.Index("ix_operations_of_group", "group_id", "created_us", "id"),
    sa.Index("ix_operations_open", "open", "created_us", "id"),
)

journal_entries = _table(
    "journal_entries",
    sa.Column("operation_id", sa.String(64), sa.ForeignKey("operations.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("step", sa.String(512), primary_key=True),
    _int("seq"),
    _state("state", State),
    _json("value", Any, null=True),
    _text("error"),
    _text("resource_id"),
    _int("lease_epoch"),  # whose write it was
    _int("started_at"),  # microseconds, the first write
    _int("finished_at", null=True),
)

debts = _table(
    "debts",
    _id(),
    _child("group_id", "protection_groups.id"),
    _ref("site_id"),
    sa.Column("kind", sa.String(32), nullable=False),
    _text("resource", null=False),
    _json("detail", dict[str, Any]),
    _ref("operation_id", null=True),
    _int("epoch"),
    _time("created_at", null=False),
    sa.Index(None, "group_id"),
)

tenant_mappings = _table(
    "tenant_mappings",
    _id(),
    _ref("local_project_id"),
    _ref("remote_site_id"),
    _ref("remote_project_id"),
    sa.UniqueConstraint("local_project_id", "remote_site_id", name="uq_tenant_mappings_local"),
    sa.UniqueConstraint("remote_site_id", "remote_project_id", name="uq_tenant_mappings_remote"),
)

delegations = _table(
    "delegations",
    _id("project_id"),
    _ref("trust_id"),
    _ref("trustor_user_id"),
    sa.Column("status", sa.String(32), nullable=False),
    _time("checked_at"),
    _text("reason", null=False),
)

engines = _table(
    "engines",
    sa.Column("owner", sa.String(255), primary_key=True),
    _int("heard_at"),  # microseconds
)
