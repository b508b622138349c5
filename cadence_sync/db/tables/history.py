"""Organizations, their cadences, and the history of these.

How the chain of versions is guaranteed: a version names its predecessor and, once closed, its successor, in
generated columns. A deferred foreign key ties `valid_from` to the predecessor's `valid_to`, another demands
the successor of a closed version. Together with the primary key nothing but one unbroken chain per cadence,
numbered from 1 and open at its end, can be committed. Triggers refuse to rewrite what is written,
but for a person's name in a transaction that enters it in `redactions`.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Date,
    Float,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSON, JSONB

from cadence_sync.db.tables.base import SCHEMA, count, instant, metadata

orgs = Table(
    "orgs",
    metadata,
    Column("org_id", Text),
    Column("data_center", Text, nullable=False),
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    Column("fence", BigInteger, nullable=False, server_default=text("0")),
    instant("first_listed_at"),
    instant("last_listed_at"),
    count("last_page_count", start=1),
    Column("rejected_page_size", Integer),
    Column("had_unreadable_ids", Boolean, nullable=False, server_default=text("false")),
    instant("digests_refreshed_at"),
    instant("created_at", nullable=False, server_default="now()"),
    Column("sync_interval_seconds", Float(53)),
    Column("sync_cron", Text),
    Column("time_zone", Text),
    count("consecutive_failures"),
    instant("last_run_at"),
    instant("removed_at"),
    PrimaryKeyConstraint("org_id"),
)

cadences = Table(
    "cadences",
    metadata,
    Column("org_id", Text),
    Column("cadence_id", Text),
    Column("name", Text),
    Column("description", Text),
    Column("type", Text),
    Column("status", Text),
    Column("active", Boolean),
    Column("published", Boolean),
    Column("module_id", Text),
    Column("module_api_name", Text),
    Column("custom_view_id", Text),
    Column("custom_view_name", Text),
    instant("created_time"),
    Column("created_by_id", Text),
    Column("created_by_name", Text),
    instant("modified_time"),
    Column("modified_by_id", Text),
    Column("modified_by_name", Text),
    Column("extra", JSONB, nullable=False, server_default=text("'{}'")),
    instant("first_seen_at", nullable=False),
    instant("last_changed_at", nullable=False),
    instant("deleted_at"),
    Column("version", Integer, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    PrimaryKeyConstraint("org_id", "cadence_id"),
    ForeignKeyConstraint(["org_id"], ["cadence_sync.orgs.org_id"], name="org"),
    ForeignKeyConstraint(
        ["org_id", "cadence_id", "version"],
        [f"{SCHEMA}.cadence_versions.{c}" for c in ("org_id", "cadence_id", "version")],
        name="version",
        deferrable=True,
        initially="DEFERRED",
    ),
)

follow_up_summaries = Table(
    "follow_up_summaries",
    metadata,
    Column("org_id", Text),
    Column("cadence_id", Text),
    Column("email_follow_up_count", Integer),
    Column("task_follow_up_count", Integer),
    Column("call_follow_up_count", Integer),
    Column("whatsapp_follow_up_count", Integer),
    PrimaryKeyConstraint("org_id", "cadence_id"),
    ForeignKeyConstraint(
        ["org_id", "cadence_id"], [f"{SCHEMA}.cadences.{c}" for c in ("org_id", "cadence_id")], name="cadence"
    ),
)

execution_details = Table(
    "execution_details",
    metadata,
    Column("org_id", Text),
    Column("cadence_id", Text),
    Column("type", Text),
    Column("end_date", Date),
    Column("automatic_unenroll", Boolean),
    Column("execute_every_unit", Integer),
    Column("execute_every_period", Text),
    Column("unenroll_type", Text),
    Column("unenroll_end_date", Date),
    PrimaryKeyConstraint("org_id", "cadence_id"),
    ForeignKeyConstraint(
        ["org_id", "cadence_id"], [f"{SCHEMA}.cadences.{c}" for c in ("org_id", "cadence_id")], name="cadence"
    ),
)

cadence_versions = Table(
    "cadence_versions",
    metadata,
    Column("org_id", Text),
    Column("cadence_id", Text),
    Column("version", Integer),
    Column("kind", Text, nullable=False),
    instant("valid_from", nullable=False),
    instant("valid_to"),
    instant("observed_at", nullable=False),
    instant("source_modified_time"),
    Column("document", JSONB, nullable=False),
    Column("raw", JSON),
    Column("run_id", BigInteger, nullable=False),
    Column("prev_version", Integer, Computed("nullif(version - 1, 0)", persisted=True)),
    Column(
        "next_version",
        Integer,
        Computed("CASE WHEN valid_to IS NOT NULL THEN version + 1 ELSE NULL::integer END", persisted=True),
    ),
    PrimaryKeyConstraint("org_id", "cadence_id", "version"),
    UniqueConstraint("org_id", "cadence_id", "version", "valid_to", name="chain"),
    CheckConstraint("version >= 1", name="numbered_from_1"),
    CheckConstraint("valid_to > valid_from", name="ends_after_it_starts"),
    CheckConstraint("kind IN ('baseline', 'created', 'updated', 'deleted', 'restored')", name="kind"),
    CheckConstraint("(version = 1) = (kind IN ('baseline', 'created'))", name="first_kind"),
    ForeignKeyConstraint(
        ["org_id", "cadence_id", "prev_version", "valid_from"],
        [f"{SCHEMA}.cadence_versions.{c}" for c in ("org_id", "cadence_id", "version", "valid_to")],
        name="predecessor",
        deferrable=True,
        initially="DEFERRED",
    ),
    ForeignKeyConstraint(
        ["org_id", "cadence_id", "next_version"],
        [f"{SCHEMA}.cadence_versions.{c}" for c in ("org_id", "cadence_id", "version")],
        name="successor",
        deferrable=True,
        initially="DEFERRED",
    ),
    Index(
        "ix_cadence_versions_seen_before_valid",
        *("org_id", "cadence_id", "version"),
        postgresql_where=text("observed_at < valid_from"),
    ),
)

cadence_changes = Table(
    "cadence_changes",
    metadata,
    Column("change_id", BigInteger, Identity(always=True)),
    Column("org_id", Text, nullable=False),
    Column("cadence_id", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("run_id", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("field", Text, nullable=False),
    Column("old_value", JSONB),
    Column("new_value", JSONB),
    instant("changed_at", nullable=False),
    instant("observed_at", nullable=False),
    Column("changed_by_id", Text),
    Column("changed_by_name", Text),
    PrimaryKeyConstraint("org_id", "change_id"),
    UniqueConstraint("org_id", "cadence_id", "version", "field", name="once"),
    ForeignKeyConstraint(
        ["org_id", "cadence_id", "version"],
        [f"{SCHEMA}.cadence_versions.{c}" for c in ("org_id", "cadence_id", "version")],
        name="version",
    ),
    Index(None, "org_id", "changed_at"),
    Index(
        "ix_cadence_changes_what",
        *("org_id", "field", "changed_at"),
        postgresql_where=text("field <> 'modified_time' AND field <> 'modified_by.id'"),
    ),
    Index(
        "ix_cadence_changes_names",
        *("org_id", "cadence_id"),
        postgresql_include=["old_value"],
        postgresql_where=text("field = 'name' AND octet_length(old_value #>> '{}') <= 1000"),
    ),
    Index(
        "ix_cadence_changes_who",
        *("org_id", "changed_by_id", "changed_at"),
        postgresql_where=text("changed_by_id IS NOT NULL AND (field = '*' OR field = 'modified_time')"),
    ),
)

discovered_fields = Table(
    "discovered_fields",
    metadata,
    Column("org_id", Text),
    Column("cadence_id", Text),
    Column("version", Integer),
    Column("field", Text),
    Column("value", JSONB, nullable=False),
    instant("observed_at", nullable=False),
    Column("run_id", BigInteger),
    PrimaryKeyConstraint("org_id", "cadence_id", "version", "field"),
    ForeignKeyConstraint(
        ["org_id", "cadence_id", "version"],
        [f"{SCHEMA}.cadence_versions.{c}" for c in ("org_id", "cadence_id", "version")],
        name="version",
    ),
    Index(None, "org_id", "run_id"),
)

redactions = Table(
    "redactions",
    metadata,
    Column("redaction_id", BigInteger, Identity(always=True)),
    Column("org_id", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    instant("redacted_at", nullable=False, server_default="now()"),
    Column("redacted_by", Text, nullable=False),
    count("cadence_versions"),
    count("cadence_changes"),
    count("cadences"),
    count("quarantined_records"),
    count("schema_drift"),
    Column("xid", Text, nullable=False, server_default=text("(pg_current_xact_id())::text")),
    PrimaryKeyConstraint("org_id", "redaction_id"),
    ForeignKeyConstraint(["org_id"], ["cadence_sync.orgs.org_id"], name="org"),
)
