"""The one permitted rewrite of history: a person's name, in a transaction that leaves an audit row."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# The number of a transaction alone may come again in a server that a dump was restored to; with its time it cannot.
REFUSE_UNLESS_REDACTING = """
CREATE FUNCTION cadence_sync.refuse_unless_redacting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM cadence_sync.redactions AS r
        WHERE r.org_id = OLD.org_id AND r.xid = pg_current_xact_id()::text AND r.redacted_at = transaction_timestamp()
    ) THEN
        RAISE EXCEPTION 'history is append-only: % of % is refused', TG_OP, TG_TABLE_NAME
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$
"""
REFUSE = "cadence_sync.refuse_rewrite()"
KEEP_VERSIONS = (
    "CREATE TRIGGER keep_versions BEFORE UPDATE OF org_id, cadence_id, version, kind, valid_from, observed_at,"
    " source_modified_time, document, {}run_id ON cadence_sync.cadence_versions"
    f" FOR EACH STATEMENT EXECUTE FUNCTION {REFUSE}"
)
KEEP_CHANGES = (
    f"CREATE TRIGGER keep_changes BEFORE {{}} ON cadence_sync.cadence_changes FOR EACH STATEMENT"
    f" EXECUTE FUNCTION {REFUSE}"
)
ALL_BUT_THE_NAME = (
    "UPDATE OF change_id, org_id, cadence_id, version, run_id, kind, field, old_value, new_value, changed_at,"
    " observed_at, changed_by_id OR DELETE OR TRUNCATE"
)


def upgrade() -> None:
    op.create_table(
        "redactions",
        sa.Column("redaction_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("redacted_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("redacted_by", sa.Text(), nullable=False),
        sa.Column("cadence_versions", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("cadence_changes", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("cadences", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("quarantined_records", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("schema_drift", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("xid", sa.Text(), server_default=sa.text("(pg_current_xact_id())::text"), nullable=False),
        sa.ForeignKeyConstraint(["org_id"], ["cadence_sync.orgs.org_id"], name=op.f("fk_redactions_org")),
        sa.PrimaryKeyConstraint("org_id", "redaction_id", name=op.f("pk_redactions")),
        schema="cadence_sync",
        if_not_exists=True,  # a downgrade leaves a table that holds rows
    )
    op.execute(
        "CREATE OR REPLACE TRIGGER keep_redactions BEFORE UPDATE OR DELETE OR TRUNCATE ON cadence_sync.redactions"
        f" FOR EACH STATEMENT EXECUTE FUNCTION {REFUSE}"
    )
    op.execute(REFUSE_UNLESS_REDACTING)
    op.execute("DROP TRIGGER keep_versions ON cadence_sync.cadence_versions")
    op.execute(KEEP_VERSIONS.format(""))
    op.execute("DROP TRIGGER keep_changes ON cadence_sync.cadence_changes")
    op.execute(KEEP_CHANGES.format(ALL_BUT_THE_NAME))
    for trigger, table, column in (
        ("redact_versions", "cadence_versions", "raw"),
        ("redact_changes", "cadence_changes", "changed_by_name"),
    ):
        op.execute(
            f"CREATE TRIGGER {trigger} BEFORE UPDATE OF {column} ON cadence_sync.{table}"
            " FOR EACH ROW EXECUTE FUNCTION cadence_sync.refuse_unless_redacting()"
        )


def downgrade() -> None:
    op.execute("DROP TRIGGER redact_versions ON cadence_sync.cadence_versions")
    op.execute("DROP TRIGGER redact_changes ON cadence_sync.cadence_changes")
    op.execute("DROP FUNCTION cadence_sync.refuse_unless_redacting()")
    op.execute("DROP TRIGGER keep_versions ON cadence_sync.cadence_versions")
    op.execute(KEEP_VERSIONS.format("raw, "))
    op.execute("DROP TRIGGER keep_changes ON cadence_sync.cadence_changes")
    op.execute(KEEP_CHANGES.format("UPDATE OR DELETE OR TRUNCATE"))
    # Who was redacted is part of the history, and a later upgrade must know it.
    if not op.get_bind().scalar(sa.text("SELECT EXISTS (SELECT FROM cadence_sync.redactions)")):
        op.drop_table("redactions", schema="cadence_sync")
