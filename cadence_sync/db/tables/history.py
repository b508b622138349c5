"""Organizations, their cadences, and the history of these.

The chain of versions is guaranteed by two generated columns, the predecessor of a version and, once it is closed, its
successor. A deferred foreign key ties `valid_from` to the predecessor's `valid_to`, another requires the successor of
a closed version. With the primary key, only an unbroken chain per cadence, numbered from 1 and open at its end, can be
committed. Triggers refuse to rewrite history, except for a person's name in a transaction that records the redaction.
"""

from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSON, JSONB

SCHEMA: Final = "cadence_sync"

metadata = sa.MetaData(
    schema=SCHEMA,
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(constraint_name)s",
    },
)


def instant(name: str, *, nullable: bool = True, server_default: str | None = None) -> sa.Column[object]:
    default = sa.text(server_default) if server_default else None
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, server_default=default)


def count(name: str, *, start: int = 0) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False, server_default=sa.text(str(start)))


def references(table: str, *columns: str, name: str, deferred: bool = False) -> sa.ForeignKeyConstraint:
    targets = [f"{SCHEMA}.{table}.{column}" for column in columns]
    when = "DEFERRED" if deferred else None
    return sa.ForeignKeyConstraint(columns, targets, name=name, deferrable=deferred or None, initially=when)


orgs = sa.Table(
    "orgs",
    metadata,
    sa.Column("org_id", sa.Text, primary_key=True),
    sa.Column("data_center", sa.Text, nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False, server_default=sa.text("true")),
    sa.Column("fence", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    instant("first_listed_at"),
    instant("last_listed_at"),
    count("last_page_count", start=1),
    sa.Column("rejected_page_size", sa.Integer),
    sa.Column("had_unreadable_ids", sa.Boolean, nullable=False, server_default=sa.text("false")),
    instant("digests_refreshed_at"),
    instant("created_at", nullable=False, server_default="now()"),
    sa.Column("sync_interval_seconds", sa.Float(53)),
    sa.Column("sync_cron", sa.Text),
    sa.Column("time_zone", sa.Text),
    count("consecutive_failures"),
    instant("last_run_at"),
    instant("removed_at"),
)

cadences = sa.Table(
    "cadences",
    metadata,
    sa.Column("org_id", sa.Text, primary_key=True),
    sa.Column("cadence_id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text),
    sa.Column("description", sa.Text),
    sa.Column("type", sa.Text),
    sa.Column("status", sa.Text),
    sa.Column("active", sa.Boolean),
    sa.Column("published", sa.Boolean),
    sa.Column("module_id", sa.Text),
    sa.Column("module_api_name", sa.Text),
    sa.Column("custom_view_id", sa.Text),
    sa.Column("custom_view_name", sa.Text),
    instant("created_time"),
    sa.Column("created_by_id", sa.Text),
    sa.Column("created_by_name", sa.Text),
    instant("modified_time"),
    sa.Column("modified_by_id", sa.Text),
    sa.Column("modified_by_name", sa.Text),
    sa.Column("extra", JSONB, nullable=False, server_default=sa.text("'{}'")),
    instant("first_seen_at", nullable=False),
    instant("last_changed_at", nullable=False),
    instant("deleted_at"),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    references("orgs", "org_id", name="org"),
    references("cadence_versions", "org_id", "cadence_id", "version", name="version", deferred=True),
)

follow_up_summaries = sa.Table(
    "follow_up_summaries",
    metadata,
    sa.Column("org_id", sa.Text, primary_key=True),
    sa.Column("cadence_id", sa.Text, primary_key=True),
    sa.Column("email_follow_up_count", sa.Integer),
    sa.Column("task_follow_up_count", sa.Integer),
    sa.Column("call_follow_up_count", sa.Integer),
    sa.Column("whatsapp_follow_up_count", sa.Integer),
    references("cadences", "org_id", "cadence_id", name="cadence"),
)

execution_details = sa.Table(
    "execution_details",
    metadata,
    sa.Column("org_id", sa.Text, primary_key=True),
    sa.Column("cadence_id", sa.Text, primary_key=True),
    sa.Column("type", sa.Text),
    sa.Column("end_date", sa.Date),
    sa.Column("automatic_unenroll", sa.Boolean),
    sa.Column("execute_every_unit", sa.Integer),
    sa.Column("execute_every_period", sa.Text),
    sa.Column("unenroll_type", sa.Text),
    sa.Column("unenroll_end_date", sa.Date),
    references("cadences", "org_id", "cadence_id", name="cadence"),
)

cadence_versions = sa.Table(
    "cadence_versions",
    metadata,
    sa.Column("org_id", sa.Text, primary_key=True),
    sa.Column("cadence_id", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    instant("valid_from", nullable=False),
    instant("valid_to"),
    instant("observed_at", nullable=False),
    instant("source_modified_time"),
    sa.Column("document", JSONB, nullable=False),
    sa.Column("raw", JSON),
    sa.Column("run_id", sa.BigInteger, nullable=False),
    sa.Column("prev_version", sa.Integer, sa.Computed("nullif(version - 1, 0)", persisted=True)),
    sa.Column(
        "next_version",
        sa.Integer,
        sa.Computed("CASE WHEN valid_to IS NOT NULL THEN version + 1 ELSE NULL::integer END", persisted=True),
    ),
    sa.UniqueConstraint("org_id", "cadence_id", "version", "valid_to", name="chain"),
    sa.CheckConstraint("version >= 1", name="numbered_from_1"),
    sa.CheckConstraint("valid_to > valid_from", name="ends_after_it_starts"),
    sa.CheckConstraint("kind IN ('baseline', 'created', 'updated', 'deleted', 'restored')", name="kind"),
    sa.CheckConstraint("(version = 1) = (kind IN ('baseline', 'created'))", name="first_kind"),
    sa.ForeignKeyConstraint(
        ["org_id", "cadence_id", "prev_version", "valid_from"],
        [f"{SCHEMA}.cadence_versions.{c}" for c in ("org_id", "cadence_id", "version", "valid_to")],
        name="predecessor",
        deferrable=True,
        initially="DEFERRED",
    ),
    sa.ForeignKeyConstraint(
        ["org_id", "cadence_id", "next_version"],
        [f"{SCHEMA}.cadence_versions.{c}" for c in ("org_id", "cadence_id", "version")],
        name="successor",
        deferrable=True,
        initially="DEFERRED",
    ),
    sa.Index(
        "ix_cadence_versions_seen_before_valid",
        *("org_id", "cadence_id", "version"),
        postgresql_where=sa.text("observed_at < valid_from"),
    ),
)

cadence_changes = sa.Table(
    "cadence_changes",
    metadata,
    sa.Column("change_id", sa.BigInteger, sa.Identity(always=True)),
    sa.Column("org_id", sa.Text, nullable=False),
    sa.Column("cadence_id", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("run_id", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("field", sa.Text, nullable=False),
    sa.Column("old_value", JSONB),
    sa.Column("new_value", JSONB),
    instant("changed_at", nullable=False),
    instant("observed_at", nullable=False),
    sa.Column("changed_by_id", sa.Text),
    sa.Column("changed_by_name", sa.Text),
    sa.PrimaryKeyConstraint("org_id", "change_id"),
    sa.UniqueConstraint("org_id", "cadence_id", "version", "field", name="once"),
    references("cadence_versions", "org_id", "cadence_id", "version", name="version"),
    sa.Index(None, "org_id", "changed_at"),
    sa.Index(
        "ix_cadence_changes_what",
        *("org_id", "field", "changed_at"),
        postgresql_where=sa.text("field <> 'modified_time' AND field <> 'modified_by.id'"),
    ),
    sa.Index(
        "ix_cadence_changes_names",
        *("org_id", "cadence_id"),
        postgresql_include=["old_value"],
        postgresql_where=sa.text("field = 'name' AND octet_length(old_value #>> '{}') <= 1000"),
    ),
    sa.Index(
        "ix_cadence_changes_who",
        *("org_id", "changed_by_id", "changed_at"),
        postgresql_where=sa.text("changed_by_id IS NOT NULL AND (field = '*' OR field = 'modified_time')"),
    ),
)

discovered_fields = sa.Table(
    "discovered_fields",
    metadata,
    sa.Column("org_id", sa.Text, primary_key=True),
    sa.Column("cadence_id", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("field", sa.Text, primary_key=True),
    sa.Column("value", JSONB, nullable=False),
    instant("observed_at", nullable=False),
    sa.Column("run_id", sa.BigInteger),
    references("cadence_versions", "org_id", "cadence_id", "version", name="version"),
    sa.Index(None, "org_id", "run_id"),
)

redactions = sa.Table(
    "redactions",
    metadata,
    sa.Column("redaction_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("org_id", sa.Text),
    sa.Column("user_id", sa.Text),
    instant("redacted_at", nullable=False, server_default="now()"),
    sa.Column("redacted_by", sa.Text, nullable=False),
    count("cadence_versions"),
    count("cadence_changes"),
    count("cadences"),
    count("quarantined_records"),
    count("schema_drift"),
    sa.Column("xid", sa.Text, nullable=False, server_default=sa.text("(pg_current_xact_id())::text")),
    sa.Column("operator_digest", sa.LargeBinary),
    count("audit_log"),
    count("deletion_decisions"),
    count("redactions"),
    sa.Column("closed", sa.Boolean, nullable=False, server_default=sa.text("false")),
    sa.CheckConstraint(
        "(org_id IS NULL) = (user_id IS NULL) AND (user_id IS NULL) = (operator_digest IS NOT NULL)",
        name="of_a_user_or_an_operator",
    ),
    sa.Index("ix_redactions_org_id", "org_id", "redaction_id"),
)
