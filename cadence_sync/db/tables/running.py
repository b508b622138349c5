"""Operational tables: runs, deletion reviews, quarantine, credentials, tokens, alert outbox."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from cadence_sync.db.tables.history import count, instant, metadata, references

locks = sa.Table(
    "locks",
    metadata,
    sa.Column("org_id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
)

org_credentials = sa.Table(
    "org_credentials",
    metadata,
    sa.Column("org_id", sa.Text, primary_key=True),
    sa.Column("encrypted_credentials", sa.LargeBinary, nullable=False),
    instant("updated_at", nullable=False, server_default="now()"),
    references("orgs", "org_id", name="org"),
)

sync_runs = sa.Table(
    "sync_runs",
    metadata,
    sa.Column("run_id", sa.BigInteger, sa.Identity(always=True)),
    sa.Column("org_id", sa.Text, nullable=False),
    sa.Column("trigger", sa.Text, nullable=False),
    instant("started_at", nullable=False),
    instant("finished_at"),
    sa.Column("outcome", sa.Text),
    sa.Column("error_code", sa.Text),
    sa.Column("error_message", sa.Text),
    sa.Column("error_hint", sa.Text),
    *map(count, ("api_calls", "pages", "seen", "baseline", "created", "updated", "deleted", "restored")),
    *map(count, ("unchanged", "quarantined", "held", "auto_deleted")),
    sa.Column("hold_id", sa.BigInteger),
    sa.Column("reserved_calls", sa.Integer),
    sa.Column("credits_left", sa.Integer),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("process_started", sa.Text, nullable=False),
    instant("lease_until", nullable=False),
    sa.PrimaryKeyConstraint("org_id", "run_id"),
    sa.CheckConstraint("outcome IN ('succeeded', 'partial', 'held', 'failed')", name="outcome"),
    sa.CheckConstraint("(outcome IS NULL) = (finished_at IS NULL)", name="finished_with_an_outcome"),
    sa.CheckConstraint("(outcome = 'failed') = (error_code IS NOT NULL)", name="failed_with_a_code"),
    sa.CheckConstraint(
        "seen = baseline + created + updated + restored + unchanged + quarantined", name="counters_add_up"
    ),
    references("orgs", "org_id", name="org"),
    sa.Index(None, "org_id", "started_at"),
    sa.Index("ix_sync_runs_open", "org_id", postgresql_where=sa.text("outcome IS NULL")),
)

daily_runs = sa.Table(
    "daily_runs",
    metadata,
    sa.Column("org_id", sa.Text, primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("runs", sa.Integer, nullable=False),
    sa.Column("failed", sa.Integer, nullable=False),
    sa.Column("api_calls", sa.BigInteger, nullable=False),
    instant("first_good_at"),
    instant("last_good_at"),
    references("orgs", "org_id", name="org"),
)

held_deletions = sa.Table(
    "held_deletions",
    metadata,
    sa.Column("org_id", sa.Text, primary_key=True),
    sa.Column("cadence_id", sa.Text, primary_key=True),
    sa.Column("hold_id", sa.BigInteger, nullable=False),
    instant("missing_since", nullable=False),
    sa.Column("decision", sa.Text),
    instant("decided_at"),
    sa.CheckConstraint("decision IN ('approved', 'rejected')", name="decision"),
    references("cadences", "org_id", "cadence_id", name="cadence"),
)

deletion_decisions = sa.Table(
    "deletion_decisions",
    metadata,
    sa.Column("decision_id", sa.BigInteger, sa.Identity(always=True)),
    sa.Column("org_id", sa.Text, nullable=False),
    sa.Column("hold_id", sa.BigInteger, nullable=False),
    sa.Column("decision", sa.Text, nullable=False),
    instant("decided_at", nullable=False, server_default="now()"),
    sa.Column("decided_by", sa.Text, nullable=False),
    count("cadences"),
    sa.PrimaryKeyConstraint("org_id", "decision_id"),
)

audit_log = sa.Table(
    "audit_log",
    metadata,
    sa.Column("action_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("org_id", sa.Text),
    instant("done_at", nullable=False, server_default="now()"),
    sa.Column("done_by", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("run_id", sa.BigInteger),
    sa.Column("result", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("details", JSONB, nullable=False, server_default=sa.text("'{}'")),
    sa.CheckConstraint("source IN ('web', 'cli')", name="source"),
    sa.Index(None, "org_id", "action_id"),
)

quarantined_records = sa.Table(
    "quarantined_records",
    metadata,
    sa.Column("org_id", sa.Text, primary_key=True),
    sa.Column("run_id", sa.BigInteger, primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("cadence_id", sa.Text),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("raw", sa.LargeBinary, nullable=False),
    references("sync_runs", "org_id", "run_id", name="run"),
    sa.Index(None, "org_id", "cadence_id"),
)

schema_drift = sa.Table(
    "schema_drift",
    metadata,
    sa.Column("org_id", sa.Text, primary_key=True),
    sa.Column("path", sa.Text, primary_key=True),
    sa.Column("sample", sa.Text, nullable=False),
    instant("first_seen_at", nullable=False),
    instant("last_seen_at", nullable=False),
    references("orgs", "org_id", name="org"),
)

oauth_tokens = sa.Table(
    "oauth_tokens",
    metadata,
    sa.Column("org_id", sa.Text, primary_key=True),
    sa.Column("credential_fingerprint", sa.LargeBinary, primary_key=True),
    sa.Column("encrypted_token", sa.LargeBinary, nullable=False),
    instant("expires_at", nullable=False),
    sa.Column("issued_at", sa.ARRAY(sa.DateTime(timezone=True)), nullable=False),
    references("orgs", "org_id", name="org"),
)

alert_outbox = sa.Table(
    "alert_outbox",
    metadata,
    sa.Column("org_id", sa.Text, primary_key=True),
    sa.Column("channel", sa.Text, primary_key=True),
    sa.Column("event_key", sa.Text, primary_key=True),
    sa.Column("event", sa.Text, nullable=False),
    instant("happened_at", nullable=False),
    sa.Column("cadence_id", sa.Text),
    sa.Column("version", sa.Integer),
    sa.Column("run_id", sa.BigInteger),
    sa.Column("message_id", sa.Text),
    sa.Column("is_bundle_head", sa.Boolean, nullable=False),
    instant("due_at", nullable=False),
    instant("next_attempt_at", nullable=False),
    instant("leased_until"),
    count("attempts"),
    sa.Column("last_error", sa.Text),
    instant("created_at", nullable=False, server_default="now()"),
    instant("sent_at"),
    instant("dead_lettered_at"),
    instant("resolved_at"),
    sa.CheckConstraint("sent_at IS NULL OR dead_lettered_at IS NULL", name="sent_or_dead"),
    sa.CheckConstraint("message_id IS NOT NULL OR NOT is_bundle_head", name="bundle_head_has_message"),
    references("orgs", "org_id", name="org"),
    sa.Index(
        "ix_alert_outbox_open",
        *("org_id", "channel", "next_attempt_at"),
        postgresql_where=sa.text("sent_at IS NULL AND dead_lettered_at IS NULL"),
    ),
)
