"""The tables, the chain of versions, and the triggers that let nobody rewrite it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

REFUSE = """
CREATE FUNCTION cadence_sync.refuse_rewrite() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'history is append-only: % of % is refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END $$
"""

# An UPDATE may name valid_to only, and only to close a version that is open. Triggers on the columns that a
# statement names cost nothing on that one permitted path.
TRIGGERS = {
    "cadence_versions": {
        "keep_versions": "BEFORE UPDATE OF org_id, cadence_id, version, kind, valid_from, observed_at,"
        " source_modified_time, document, raw, run_id ON {} FOR EACH STATEMENT",
        "close_once": "BEFORE UPDATE OF valid_to ON {} FOR EACH ROW"
        " WHEN (OLD.valid_to IS NOT NULL OR NEW.valid_to IS NULL)",
        "keep_all_versions": "BEFORE DELETE OR TRUNCATE ON {} FOR EACH STATEMENT",
    },
    "cadence_changes": {"keep_changes": "BEFORE UPDATE OR DELETE OR TRUNCATE ON {} FOR EACH STATEMENT"},
    "cadences": {"keep_cadences": "BEFORE DELETE OR TRUNCATE ON {} FOR EACH STATEMENT"},
}


def upgrade() -> None:
    op.create_table(
        "cadence_versions",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("cadence_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=True),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source_modified_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("document", postgresql.JSONB(), nullable=False),
        sa.Column("raw", postgresql.JSON(), nullable=True),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("prev_version", sa.Integer(), sa.Computed("nullif(version - 1, 0)", persisted=True), nullable=True),
        sa.Column(
            "next_version",
            sa.Integer(),
            sa.Computed("CASE WHEN valid_to IS NOT NULL THEN version + 1 ELSE NULL::integer END", persisted=True),
            nullable=True,
        ),
        sa.CheckConstraint(
            "(version = 1) = (kind IN ('baseline', 'created'))", name=op.f("ck_cadence_versions_first_kind")
        ),
        sa.CheckConstraint(
            "kind IN ('baseline', 'created', 'updated', 'deleted', 'restored')",
            name=op.f("ck_cadence_versions_kind"),
        ),
        sa.CheckConstraint("valid_to > valid_from", name=op.f("ck_cadence_versions_ends_after_it_starts")),
        sa.CheckConstraint("version >= 1", name=op.f("ck_cadence_versions_numbered_from_1")),
        sa.ForeignKeyConstraint(
            ["org_id", "cadence_id", "next_version"],
            [
                "cadence_sync.cadence_versions.org_id",
                "cadence_sync.cadence_versions.cadence_id",
                "cadence_sync.cadence_versions.version",
            ],
            name=op.f("fk_cadence_versions_successor"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "cadence_id", "prev_version", "valid_from"],
            [
                "cadence_sync.cadence_versions.org_id",
                "cadence_sync.cadence_versions.cadence_id",
                "cadence_sync.cadence_versions.version",
                "cadence_sync.cadence_versions.valid_to",
            ],
            name=op.f("fk_cadence_versions_predecessor"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("org_id", "cadence_id", "version", name=op.f("pk_cadence_versions")),
        sa.UniqueConstraint("org_id", "cadence_id", "version", "valid_to", name=op.f("uq_cadence_versions_chain")),
        schema="cadence_sync",
    )
    op.create_table(
        "orgs",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("zoho_org_id", sa.Text(), nullable=True),
        sa.Column("data_center", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("fence", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_walk_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_pages", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("refused_per_page", sa.Integer(), nullable=True),
        sa.Column("hid_ids", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("org_id", name=op.f("pk_orgs")),
        schema="cadence_sync",
    )
    op.create_table(
        "cadence_changes",
        sa.Column("change_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("cadence_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("old_value", postgresql.JSONB(), nullable=True),
        sa.Column("new_value", postgresql.JSONB(), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by_id", sa.Text(), nullable=True),
        sa.Column("changed_by_name", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["org_id", "cadence_id", "version"],
            [
                "cadence_sync.cadence_versions.org_id",
                "cadence_sync.cadence_versions.cadence_id",
                "cadence_sync.cadence_versions.version",
            ],
            name=op.f("fk_cadence_changes_version"),
        ),
        sa.PrimaryKeyConstraint("org_id", "change_id", name=op.f("pk_cadence_changes")),
        sa.UniqueConstraint("org_id", "cadence_id", "version", "field", name=op.f("uq_cadence_changes_once")),
        schema="cadence_sync",
    )
    op.create_index(
        op.f("ix_cadence_changes_org_id_changed_at"),
        "cadence_changes",
        ["org_id", "changed_at"],
        unique=False,
        schema="cadence_sync",
    )
    op.create_table(
        "cadences",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("cadence_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("type", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=True),
        sa.Column("published", sa.Boolean(), nullable=True),
        sa.Column("module_id", sa.Text(), nullable=True),
        sa.Column("module_api_name", sa.Text(), nullable=True),
        sa.Column("custom_view_id", sa.Text(), nullable=True),
        sa.Column("custom_view_name", sa.Text(), nullable=True),
        sa.Column("created_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_by_id", sa.Text(), nullable=True),
        sa.Column("created_by_name", sa.Text(), nullable=True),
        sa.Column("modified_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("modified_by_id", sa.Text(), nullable=True),
        sa.Column("modified_by_name", sa.Text(), nullable=True),
        sa.Column("extra", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("learnt", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["org_id", "cadence_id", "version"],
            [
                "cadence_sync.cadence_versions.org_id",
                "cadence_sync.cadence_versions.cadence_id",
                "cadence_sync.cadence_versions.version",
            ],
            name=op.f("fk_cadences_version"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(["org_id"], ["cadence_sync.orgs.org_id"], name=op.f("fk_cadences_org")),
        sa.PrimaryKeyConstraint("org_id", "cadence_id", name=op.f("pk_cadences")),
        schema="cadence_sync",
    )
    op.create_table(
        "oauth_tokens",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("credential_fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("encrypted_token", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recent", sa.ARRAY(sa.DateTime(timezone=True)), nullable=False),
        sa.ForeignKeyConstraint(["org_id"], ["cadence_sync.orgs.org_id"], name=op.f("fk_oauth_tokens_org")),
        sa.PrimaryKeyConstraint("org_id", "credential_fingerprint", name=op.f("pk_oauth_tokens")),
        schema="cadence_sync",
    )
    op.create_table(
        "schema_drift",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("sample", sa.Text(), nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["org_id"], ["cadence_sync.orgs.org_id"], name=op.f("fk_schema_drift_org")),
        sa.PrimaryKeyConstraint("org_id", "path", name=op.f("pk_schema_drift")),
        schema="cadence_sync",
    )
    op.create_table(
        "sync_runs",
        sa.Column("run_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("error_hint", sa.Text(), nullable=True),
        sa.Column("api_calls", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("pages", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("seen", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("baseline", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("created", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("updated", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("deleted", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("restored", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("unchanged", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("quarantined", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("held", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("process_started", sa.Text(), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(outcome = 'failed') = (error_code IS NOT NULL)", name=op.f("ck_sync_runs_failed_with_a_code")
        ),
        sa.CheckConstraint("outcome IN ('succeeded', 'partial', 'held', 'failed')", name=op.f("ck_sync_runs_outcome")),
        sa.CheckConstraint(
            "(outcome IS NULL) = (finished_at IS NULL)", name=op.f("ck_sync_runs_finished_with_an_outcome")
        ),
        sa.CheckConstraint(
            "seen = baseline + created + updated + restored + unchanged + quarantined",
            name=op.f("ck_sync_runs_counters_add_up"),
        ),
        sa.ForeignKeyConstraint(["org_id"], ["cadence_sync.orgs.org_id"], name=op.f("fk_sync_runs_org")),
        sa.PrimaryKeyConstraint("org_id", "run_id", name=op.f("pk_sync_runs")),
        schema="cadence_sync",
    )
    op.create_index(
        "ix_sync_runs_open",
        "sync_runs",
        ["org_id"],
        unique=False,
        schema="cadence_sync",
        postgresql_where=sa.text("outcome IS NULL"),
    )
    op.create_table(
        "execution_details",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("cadence_id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=True),
        sa.Column("end_date", sa.Date(), nullable=True),
        sa.Column("automatic_unenroll", sa.Boolean(), nullable=True),
        sa.Column("execute_every_unit", sa.Integer(), nullable=True),
        sa.Column("execute_every_period", sa.Text(), nullable=True),
        sa.Column("unenroll_type", sa.Text(), nullable=True),
        sa.Column("unenroll_end_date", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(
            ["org_id", "cadence_id"],
            ["cadence_sync.cadences.org_id", "cadence_sync.cadences.cadence_id"],
            name=op.f("fk_execution_details_cadence"),
        ),
        sa.PrimaryKeyConstraint("org_id", "cadence_id", name=op.f("pk_execution_details")),
        schema="cadence_sync",
    )
    op.create_table(
        "follow_up_summaries",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("cadence_id", sa.Text(), nullable=False),
        sa.Column("email_follow_up_count", sa.Integer(), nullable=True),
        sa.Column("task_follow_up_count", sa.Integer(), nullable=True),
        sa.Column("call_follow_up_count", sa.Integer(), nullable=True),
        sa.Column("whatsapp_follow_up_count", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["org_id", "cadence_id"],
            ["cadence_sync.cadences.org_id", "cadence_sync.cadences.cadence_id"],
            name=op.f("fk_follow_up_summaries_cadence"),
        ),
        sa.PrimaryKeyConstraint("org_id", "cadence_id", name=op.f("pk_follow_up_summaries")),
        schema="cadence_sync",
    )
    op.create_table(
        "quarantined_records",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("cadence_id", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["org_id", "run_id"],
            ["cadence_sync.sync_runs.org_id", "cadence_sync.sync_runs.run_id"],
            name=op.f("fk_quarantined_records_run"),
        ),
        sa.PrimaryKeyConstraint("org_id", "run_id", "position", name=op.f("pk_quarantined_records")),
        schema="cadence_sync",
    )
    op.create_index(
        op.f("ix_quarantined_records_org_id_cadence_id"),
        "quarantined_records",
        ["org_id", "cadence_id"],
        unique=False,
        schema="cadence_sync",
    )
    op.execute(REFUSE)
    for table, triggers in TRIGGERS.items():
        for name, when in triggers.items():
            on = when.format(f"cadence_sync.{table}")
            op.execute(f"CREATE TRIGGER {name} {on} EXECUTE FUNCTION cadence_sync.refuse_rewrite()")


def downgrade() -> None:
    op.drop_index(
        op.f("ix_quarantined_records_org_id_cadence_id"),
        table_name="quarantined_records",
        schema="cadence_sync",
    )
    op.drop_table("quarantined_records", schema="cadence_sync")
    op.drop_table("follow_up_summaries", schema="cadence_sync")
    op.drop_table("execution_details", schema="cadence_sync")
    op.drop_index(
        "ix_sync_runs_open",
        table_name="sync_runs",
        schema="cadence_sync",
        postgresql_where=sa.text("outcome IS NULL"),
    )
    op.drop_table("sync_runs", schema="cadence_sync")
    op.drop_table("schema_drift", schema="cadence_sync")
    op.drop_table("oauth_tokens", schema="cadence_sync")
    op.drop_table("cadences", schema="cadence_sync")
    op.drop_index(op.f("ix_cadence_changes_org_id_changed_at"), table_name="cadence_changes", schema="cadence_sync")
    op.drop_table("cadence_changes", schema="cadence_sync")
    op.drop_table("orgs", schema="cadence_sync")
    op.drop_table("cadence_versions", schema="cadence_sync")
    op.execute("DROP FUNCTION cadence_sync.refuse_rewrite()")
