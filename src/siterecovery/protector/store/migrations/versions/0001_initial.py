"""The first tables.

Revision ID: 0001
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

LONG = sa.Text().with_variant(mysql.LONGTEXT(), "mysql")
MYSQL: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}


def upgrade() -> None:
    _create_delegations()
    _create_engines()
    _create_operations()
    _create_protection_groups()
    _create_sites()
    _create_tenant_mappings()
    _create_debts()
    _create_journal_entries()
    _create_members()
    _create_policies()
    _create_volume_copies()
    _create_volumes()


def _create_delegations() -> None:
    op.create_table(
        "delegations",
        sa.Column("project_id", sa.String(64), nullable=False),
        sa.Column("trust_id", sa.String(64), nullable=False),
        sa.Column("trustor_user_id", sa.String(64), nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("checked_at", sa.String(32), nullable=True),
        sa.Column("reason", LONG, nullable=False),
        sa.PrimaryKeyConstraint("project_id", name="pk_delegations"),
        **MYSQL,
    )


def _create_engines() -> None:
    op.create_table(
        "engines",
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("heard_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("owner", name="pk_engines"),
        **MYSQL,
    )


def _create_operations() -> None:
    op.create_table(
        "operations",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("group_id", sa.String(64), nullable=False),
        sa.Column("project_id", sa.String(64), nullable=False),
        sa.Column("type", sa.String(32), nullable=False),
        sa.Column("source_site_id", sa.String(64), nullable=True),
        sa.Column("target_site_id", sa.String(64), nullable=True),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("progress", sa.BigInteger(), nullable=False),
        sa.Column("current_step", LONG, nullable=True),
        sa.Column("force", sa.Boolean(), nullable=False),
        sa.Column("request", LONG, nullable=False),
        sa.Column("plan", LONG, nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=True),
        sa.Column("recovery_point_at", sa.String(32), nullable=True),
        sa.Column("result_data", LONG, nullable=True),
        sa.Column("error_message", LONG, nullable=True),
        sa.Column("warnings", LONG, nullable=False),
        sa.Column("steps_completed", LONG, nullable=False),
        sa.Column("steps_failed", LONG, nullable=False),
        sa.Column("cancelled_by", sa.String(255), nullable=True),
        sa.Column("cleanup_requested", sa.Boolean(), nullable=False),
        sa.Column("cleanup", LONG, nullable=True),
        sa.Column("user_id", sa.String(64), nullable=True),
        sa.Column("request_id", sa.String(255), nullable=True),
        sa.Column("created_at", sa.String(32), nullable=False),
        sa.Column("started_at", sa.String(32), nullable=True),
        sa.Column("completed_at", sa.String(32), nullable=True),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("open", sa.Boolean(), nullable=False),
        sa.Column("internal", sa.Boolean(), nullable=False),
        sa.Column("lease_owner", sa.String(255), nullable=True),
        sa.Column("lease_epoch", sa.BigInteger(), nullable=False),
        sa.Column("lease_expires_at", sa.BigInteger(), nullable=True),
        sa.Column("lease_taken_over_at", sa.BigInteger(), nullable=True),
        sa.Column("journal_seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_operations"),
        **MYSQL,
    )
    op.create_index("ix_operations_all", "operations", ["project_id", "created_us", "id"])
    op.create_index("ix_operations_by_group", "operations", ["project_id", "group_id", "internal", "created_us", "id"])
    op.create_index("ix_operations_by_status", "operations", ["project_id", "status", "internal", "created_us", "id"])
    op.create_index("ix_operations_by_type", "operations", ["project_id", "type", "created_us", "id"])
    op.create_index("ix_operations_listed", "operations", ["project_id", "internal", "created_us", "id"])
    op.create_index("ix_operations_of_group", "operations", ["group_id", "created_us", "id"])
    op.create_index("ix_operations_open", "operations", ["open", "created_us", "id"])


def _create_protection_groups() -> None:
    op.create_table(
        "protection_groups",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("project_id", sa.String(64), nullable=False),
        sa.Column("primary_site_id", sa.String(64), nullable=False),
        sa.Column("secondary_site_id", sa.String(64), nullable=False),
        sa.Column("current_primary_site_id", sa.String(64), nullable=False),
        sa.Column("volume_type", sa.String(255), nullable=False),
        sa.Column("secondary_volume_type", sa.String(255), nullable=False),
        sa.Column("replication_type", sa.String(32), nullable=False),
        sa.Column("description", LONG, nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("error_message", LONG, nullable=True),
        sa.Column("cinder_groups", LONG, nullable=False),
        sa.Column("network_mapping", LONG, nullable=False),
        sa.Column("flavor_mapping", LONG, nullable=False),
        sa.Column("ip_policy", sa.String(32), nullable=False),
        sa.Column("failover_epoch", sa.BigInteger(), nullable=False),
        sa.Column("lineage", LONG, nullable=False),
        sa.Column("claim", LONG, nullable=False),
        sa.Column("hold_operation_id", sa.String(64), nullable=True),
        sa.Column("remote_hold", sa.String(64), nullable=True),
        sa.Column("failover_count", sa.BigInteger(), nullable=False),
        sa.Column("last_failover_at", sa.String(32), nullable=True),
        sa.Column("last_replication_at", sa.String(32), nullable=True),
        sa.Column("active_test_operation_id", sa.String(64), nullable=True),
        sa.Column("metadata_version", sa.BigInteger(), nullable=False),
        sa.Column("remote_sync_status", sa.String(32), nullable=False),
        sa.Column("remote_sync_version", sa.BigInteger(), nullable=True),
        sa.Column("remote_failover_epoch", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.String(32), nullable=False),
        sa.Column("updated_at", sa.String(32), nullable=False),
        sa.Column("extra", LONG, nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_protection_groups"),
        **MYSQL,
    )
    op.create_index("ix_protection_groups_created_us_id", "protection_groups", ["created_us", "id"])
    op.create_index(
        "ix_protection_groups_project_id_created_us_id", "protection_groups", ["project_id", "created_us", "id"]
    )
    op.create_index("ix_protection_groups_project_id_name", "protection_groups", ["project_id", "name"])


def _create_sites() -> None:
    op.create_table(
        "sites",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("site_type", sa.String(255), nullable=False),
        sa.Column("auth_url", LONG, nullable=False),
        sa.Column("description", LONG, nullable=False),
        sa.Column("region_name", sa.String(255), nullable=True),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("capabilities", LONG, nullable=False),
        sa.Column("reachability", LONG, nullable=False),
        sa.Column("signing_key", LONG, nullable=True),
        sa.Column("sealing_key", LONG, nullable=True),
        sa.Column("created_at", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sites"),
        sa.UniqueConstraint("name", name="uq_sites_name"),
        **MYSQL,
    )


def _create_tenant_mappings() -> None:
    op.create_table(
        "tenant_mappings",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("local_project_id", sa.String(64), nullable=False),
        sa.Column("remote_site_id", sa.String(64), nullable=False),
        sa.Column("remote_project_id", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tenant_mappings"),
        sa.UniqueConstraint("local_project_id", "remote_site_id", name="uq_tenant_mappings_local"),
        sa.UniqueConstraint("remote_site_id", "remote_project_id", name="uq_tenant_mappings_remote"),
        **MYSQL,
    )


def _create_debts() -> None:
    op.create_table(
        "debts",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("group_id", sa.String(64), nullable=False),
        sa.Column("site_id", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("resource", LONG, nullable=False),
        sa.Column("detail", LONG, nullable=False),
        sa.Column("operation_id", sa.String(64), nullable=True),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.String(32), nullable=False),
        sa.ForeignKeyConstraint(["group_id"], ["protection_groups.id"], name="fk_debts_group_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_debts"),
        **MYSQL,
    )
    op.create_index("ix_debts_group_id", "debts", ["group_id"])


def _create_journal_entries() -> None:
    op.create_table(
        "journal_entries",
        sa.Column("operation_id", sa.String(64), nullable=False),
        sa.Column("step", sa.String(512), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("value", LONG, nullable=True),
        sa.Column("error", LONG, nullable=True),
        sa.Column("resource_id", LONG, nullable=True),
        sa.Column("lease_epoch", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["operation_id"], ["operations.id"], name="fk_journal_entries_operation_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("operation_id", "step", name="pk_journal_entries"),
        **MYSQL,
    )


def _create_members() -> None:
    op.create_table(
        "members",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("group_id", sa.String(64), nullable=False),
        sa.Column("instance_id", sa.String(64), nullable=False),
        sa.Column("instance_name", sa.String(255), nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("rebuild", LONG, nullable=True),
        sa.Column("error_message", LONG, nullable=True),
        sa.Column("index", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.String(32), nullable=False),
        sa.ForeignKeyConstraint(["group_id"], ["protection_groups.id"], name="fk_members_group_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_members"),
        **MYSQL,
    )
    op.create_index("ix_members_group_id_index", "members", ["group_id", "index"])
    op.create_index("ix_members_instance_id", "members", ["instance_id"])


def _create_policies() -> None:
    op.create_table(
        "policies",
        sa.Column("group_id", sa.String(64), nullable=False),
        sa.Column("primary_fa_url", LONG, nullable=False),
        sa.Column("primary_fa_token", LONG, nullable=False),
        sa.Column("secondary_fa_url", LONG, nullable=False),
        sa.Column("secondary_fa_token", LONG, nullable=False),
        sa.Column("pure_pg_name", sa.String(255), nullable=False),
        sa.Column("replication_interval", sa.BigInteger(), nullable=False),
        sa.Column("rpo_minutes", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("error_message", LONG, nullable=True),
        sa.ForeignKeyConstraint(
            ["group_id"], ["protection_groups.id"], name="fk_policies_group_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("group_id", name="pk_policies"),
        **MYSQL,
    )


def _create_volume_copies() -> None:
    op.create_table(
        "volume_copies",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("group_id", sa.String(64), nullable=False),
        sa.Column("lineage_volume_id", sa.String(64), nullable=False),
        sa.Column("site_id", sa.String(64), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("operation_id", sa.String(64), nullable=False),
        sa.Column("volume_id", sa.String(64), nullable=True),
        sa.Column("array_volume_name", sa.String(255), nullable=True),
        sa.Column("array_volume_id", sa.String(255), nullable=True),
        sa.Column("created_at", sa.String(32), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"], ["protection_groups.id"], name="fk_volume_copies_group_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_volume_copies"),
        **MYSQL,
    )
    op.create_index("ix_volume_copies_group_id", "volume_copies", ["group_id"])


def _create_volumes() -> None:
    op.create_table(
        "volumes",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("group_id", sa.String(64), nullable=False),
        sa.Column("member_id", sa.String(64), nullable=False),
        sa.Column("volume_id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("boot_index", sa.BigInteger(), nullable=True),
        sa.Column("device", sa.String(255), nullable=True),
        sa.Column("bootable", sa.Boolean(), nullable=False),
        sa.Column("disk_bus", sa.String(255), nullable=True),
        sa.Column("delete_on_termination", sa.Boolean(), nullable=False),
        sa.Column("image_metadata", LONG, nullable=False),
        sa.Column("metadata", LONG, nullable=False),
        sa.Column("availability_zone", sa.String(255), nullable=True),
        sa.Column("array_volume_name", sa.String(255), nullable=True),
        sa.Column("array_volume_id", sa.String(255), nullable=True),
        sa.ForeignKeyConstraint(["group_id"], ["protection_groups.id"], name="fk_volumes_group_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name="fk_volumes_member_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_volumes"),
        **MYSQL,
    )
    op.create_index("ix_volumes_group_id", "volumes", ["group_id"])
    op.create_index("ix_volumes_member_id", "volumes", ["member_id"])
