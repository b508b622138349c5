"""The tables of the schema `cadence_sync`, as SQLAlchemy Core sees them; migrations/ creates them.

How the chain of versions is guaranteed: a version names its predecessor and, once closed, its successor, in
generated columns. A deferred foreign key ties `valid_from` to the predecessor's `valid_to`, another demands
the successor of a closed version. Together with the primary key nothing but one unbroken chain per cadence,
numbered from 1 and open at its end, can be committed. Triggers refuse to rewrite what is written,
but for a person's name in a transaction that enters it in `redactions`.
"""

from typing import Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Date,
    DateTime,
    Float,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSON, JSONB

SCHEMA: Final = "cadence_sync"

metadata = MetaData(
    schema=SCHEMA,
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(constraint_name)s",
    },
)


def _instant(name: str, *, nullable: bool = True, server_default: str | None = None) -> Column[object]:
    default = text(server_default) if server_default else None
    return Column(name, DateTime(timezone=True), nullable=nullable, server_default=default)


def _count(name: str, *, start: int = 0) -> Column[int]:
    return Column(name, Integer, nullable=False, server_default=text(str(start)))


orgs = Table(
    "orgs",
    metadata,
    Column("org_id", Text),
    Column("zoho_org_id", Text),
    Column("data_center", Text, nullable=False),
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    Column("fence", BigInteger, nullable=False, server_default=text("0")),
    _instant("first_walk_at"),
    _instant("last_walk_at"),
    _count("last_pages", start=1),
    Column("refused_per_page", Integer),
    Column("hid_ids", Boolean, nullable=False, server_default=text("false")),
    _instant("respelled_at"),
    _instant("created_at", nullable=False, server_default="now()"),
    Column("sync_seconds", Float(53)),
    Column("sync_cron", Text),
    Column("time_zone", Text),
    _count("failures"),
    _instant("last_run_at"),
    _instant("removed_at"),
    PrimaryKeyConstraint("org_id"),
)

org_credentials = Table(
    "org_credentials",
    metadata,
    Column("org_id", Text),
    Column("sealed", LargeBinary, nullable=False),
    _instant("updated_at", nullable=False, server_default="now()"),
    PrimaryKeyConstraint("org_id"),
    ForeignKeyConstraint(["org_id"], ["cadence_sync.orgs.org_id"], name="org"),
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
    _instant("created_time"),
    Column("created_by_id", Text),
    Column("created_by_name", Text),
    _instant("modified_time"),
    Column("modified_by_id", Text),
    Column("modified_by_name", Text),
    Column("extra", JSONB, nullable=False, server_default=text("'{}'")),
    _instant("first_seen_at", nullable=False),
    _instant("last_changed_at", nullable=False),
    _instant("deleted_at"),
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
    _instant("valid_from", nullable=False),
    _instant("valid_to"),
    _instant("observed_at", nullable=False),
    _instant("source_modified_time"),
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
    _instant("changed_at", nullable=False),
    _instant("observed_at", nullable=False),
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
        "ix_cadence_changes_who",
        *("org_id", "changed_by_id", "changed_at"),
        postgresql_where=text("changed_by_id IS NOT NULL AND (field = '*' OR field = 'modified_time')"),
    ),
)

learnt_fields = Table(
    "learnt_fields",
    metadata,
    Column("org_id", Text),
    Column("cadence_id", Text),
    Column("version", Integer),
    Column("field", Text),
    Column("value", JSONB, nullable=False),
    _instant("observed_at", nullable=False),
    Column("run_id", BigInteger),
    PrimaryKeyConstraint("org_id", "cadence_id", "version", "field"),
    ForeignKeyConstraint(
        ["org_id", "cadence_id", "version"],
        [f"{SCHEMA}.cadence_versions.{c}" for c in ("org_id", "cadence_id", "version")],
        name="version",
    ),
    Index(None, "org_id", "run_id"),
)

sync_runs = Table(
    "sync_runs",
    metadata,
    Column("run_id", BigInteger, Identity(always=True)),
    Column("org_id", Text, nullable=False),
    Column("trigger", Text, nullable=False),
    _instant("started_at", nullable=False),
    _instant("finished_at"),
    Column("outcome", Text),
    Column("error_code", Text),
    Column("error_message", Text),
    Column("error_hint", Text),
    _count("api_calls"),
    _count("pages"),
    _count("seen"),
    _count("baseline"),
    _count("created"),
    _count("updated"),
    _count("deleted"),
    _count("restored"),
    _count("unchanged"),
    _count("quarantined"),
    _count("held"),
    _count("deleted_unasked"),
    Column("held_case", BigInteger),
    Column("reserved_calls", Integer),
    Column("credits_left", Integer),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("process_started", Text, nullable=False),
    _instant("lease_until", nullable=False),
    PrimaryKeyConstraint("org_id", "run_id"),
    CheckConstraint("outcome IN ('succeeded', 'partial', 'held', 'failed')", name="outcome"),
    CheckConstraint("(outcome IS NULL) = (finished_at IS NULL)", name="finished_with_an_outcome"),
    CheckConstraint("(outcome = 'failed') = (error_code IS NOT NULL)", name="failed_with_a_code"),
    CheckConstraint("seen = baseline + created + updated + restored + unchanged + quarantined", name="counters_add_up"),
    ForeignKeyConstraint(["org_id"], ["cadence_sync.orgs.org_id"], name="org"),
    Index(None, "org_id", "started_at"),
    Index("ix_sync_runs_open", "org_id", postgresql_where=text("outcome IS NULL")),
)

daily_runs = Table(
    "daily_runs",
    metadata,
    Column("org_id", Text),
    Column("day", Date),
    Column("runs", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("api_calls", BigInteger, nullable=False),
    _instant("first_good_at"),
    _instant("last_good_at"),
    PrimaryKeyConstraint("org_id", "day"),
    ForeignKeyConstraint(["org_id"], ["cadence_sync.orgs.org_id"], name="org"),
)

held_deletions = Table(
    "held_deletions",
    metadata,
    Column("org_id", Text),
    Column("cadence_id", Text),
    Column("case_id", BigInteger, nullable=False),
    _instant("missing_since", nullable=False),
    Column("decision", Text),
    _instant("decided_at"),
    PrimaryKeyConstraint("org_id", "cadence_id"),
    CheckConstraint("decision IN ('approved', 'rejected')", name="decision"),
    ForeignKeyConstraint(
        ["org_id", "cadence_id"], [f"{SCHEMA}.cadences.{c}" for c in ("org_id", "cadence_id")], name="cadence"
    ),
)

deletion_decisions = Table(
    "deletion_decisions",
    metadata,
    Column("decision_id", BigInteger, Identity(always=True)),
    Column("org_id", Text, nullable=False),
    Column("case_id", BigInteger, nullable=False),
    Column("decision", Text, nullable=False),
    _instant("decided_at", nullable=False, server_default="now()"),
    Column("decided_by", Text, nullable=False),
    _count("cadences"),
    PrimaryKeyConstraint("org_id", "decision_id"),
    ForeignKeyConstraint(["org_id"], ["cadence_sync.orgs.org_id"], name="org"),
)

web_actions = Table(
    "web_actions",
    metadata,
    Column("action_id", BigInteger, Identity(always=True)),
    Column("org_id", Text, nullable=False),
    _instant("done_at", nullable=False, server_default="now()"),
    Column("done_by", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("run_id", BigInteger),
    Column("result", Text, nullable=False),
    PrimaryKeyConstraint("org_id", "action_id"),
    ForeignKeyConstraint(["org_id"], ["cadence_sync.orgs.org_id"], name="org"),
)

redactions = Table(
    "redactions",
    metadata,
    Column("redaction_id", BigInteger, Identity(always=True)),
    Column("org_id", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    _instant("redacted_at", nullable=False, server_default="now()"),
    Column("redacted_by", Text, nullable=False),
    _count("cadence_versions"),
    _count("cadence_changes"),
    _count("cadences"),
    _count("quarantined_records"),
    _count("schema_drift"),
    Column("xid", Text, nullable=False, server_default=text("(pg_current_xact_id())::text")),
    PrimaryKeyConstraint("org_id", "redaction_id"),
    ForeignKeyConstraint(["org_id"], ["cadence_sync.orgs.org_id"], name="org"),
)

quarantined_records = Table(
    "quarantined_records",
    metadata,
    Column("org_id", Text),
    Column("run_id", BigInteger),
    Column("position", Integer),
    Column("cadence_id", Text),
    Column("reason", Text, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    PrimaryKeyConstraint("org_id", "run_id", "position"),
    ForeignKeyConstraint(["org_id", "run_id"], [f"{SCHEMA}.sync_runs.{c}" for c in ("org_id", "run_id")], name="run"),
    Index(None, "org_id", "cadence_id"),
)

schema_drift = Table(
    "schema_drift",
    metadata,
    Column("org_id", Text),
    Column("path", Text),
    Column("sample", Text, nullable=False),
    _instant("first_seen_at", nullable=False),
    _instant("last_seen_at", nullable=False),
    PrimaryKeyConstraint("org_id", "path"),
    ForeignKeyConstraint(["org_id"], ["cadence_sync.orgs.org_id"], name="org"),
)

oauth_tokens = Table(
    "oauth_tokens",
    metadata,
    Column("org_id", Text),
    Column("credential_fingerprint", LargeBinary),
    Column("encrypted_token", LargeBinary, nullable=False),
    _instant("expires_at", nullable=False),
    Column("recent", ARRAY(DateTime(timezone=True)), nullable=False),
    PrimaryKeyConstraint("org_id", "credential_fingerprint"),
    ForeignKeyConstraint(["org_id"], ["cadence_sync.orgs.org_id"], name="org"),
)

alert_outbox = Table(
    "alert_outbox",
    metadata,
    Column("org_id", Text),
    Column("channel", Text),
    Column("event_key", Text),
    Column("event", Text, nullable=False),
    _instant("happened_at", nullable=False),
    Column("cadence_id", Text),
    Column("version", Integer),
    Column("run_id", BigInteger),
    Column("message_id", Text),
    Column("leads", Boolean, nullable=False),
    _instant("due_at", nullable=False),
    _instant("next_attempt_at", nullable=False),
    _instant("leased_until"),
    _count("attempts"),
    Column("last_error", Text),
    _instant("created_at", nullable=False, server_default="now()"),
    _instant("sent_at"),
    _instant("dead_at"),
    _instant("ended_at"),
    PrimaryKeyConstraint("org_id", "channel", "event_key"),
    CheckConstraint("sent_at IS NULL OR dead_at IS NULL", name="sent_or_dead"),
    CheckConstraint("message_id IS NOT NULL OR NOT leads", name="leads_a_message"),
    ForeignKeyConstraint(["org_id"], ["cadence_sync.orgs.org_id"], name="org"),
    Index(
        "ix_alert_outbox_open",
        "org_id",
        "channel",
        "next_attempt_at",
        postgresql_where=text("sent_at IS NULL AND dead_at IS NULL"),
    ),
)
