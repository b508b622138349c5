"""Fields that became known after a version began: each with the run that learnt it, for good."""

import tomllib
from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

REPORTING = Path(__file__).parents[1] / "reporting"
SOURCE = REPORTING / revision
REPLACED = (
    "02_checked_org",
    "05_with_learnt",
    "10_cadence_history",
    "22_cadences_as_of",
    "23_comparable",
    "24_cadence_diff",
    "25_compare_orgs",
)

# Of what was learnt before this, the run is not known. The time is the latest at which it can have been seen.
WHAT_IS_KNOWN_OF_EARLIER_ONES = """
INSERT INTO cadence_sync.learnt_fields (org_id, cadence_id, version, field, value, observed_at)
SELECT c.org_id, c.cadence_id, c.version, l.key, l.value, coalesce(o.last_walk_at, c.last_changed_at)
FROM cadence_sync.cadences AS c
JOIN cadence_sync.orgs AS o USING (org_id)
CROSS JOIN LATERAL jsonb_each(c.learnt) AS l
UNION ALL
-- What changed after it was learnt says itself what it was before.
SELECT h.org_id, h.cadence_id, b.version, h.field, coalesce(h.old_value, 'null'), b.valid_to - interval '1 microsecond'
FROM cadence_sync.cadence_changes AS h
JOIN cadence_sync.cadence_versions AS b
  ON b.org_id = h.org_id AND b.cadence_id = h.cadence_id AND b.version = h.version - 1
WHERE h.kind = 'updated' AND NOT EXISTS (
    SELECT FROM cadence_reporting.document_fields(b.document) AS known WHERE known.field = h.field
)
UNION ALL
-- Nothing arrives with a deletion: what its document has beyond that of the version before was learnt of that one.
SELECT d.org_id, d.cadence_id, b.version, f.field, coalesce(f.value, 'null'), b.valid_to - interval '1 microsecond'
FROM cadence_sync.cadence_versions AS d
JOIN cadence_sync.cadence_versions AS b
  ON b.org_id = d.org_id AND b.cadence_id = d.cadence_id AND b.version = d.version - 1
CROSS JOIN LATERAL cadence_reporting.document_fields(d.document) AS f
WHERE d.kind = 'deleted' AND NOT EXISTS (
    SELECT FROM cadence_reporting.document_fields(b.document) AS known WHERE known.field = f.field
)
ON CONFLICT DO NOTHING
"""
BACK_TO_THE_CURRENT_ROWS = """
UPDATE cadence_sync.cadences AS c SET learnt = found.fields
FROM (
    SELECT org_id, cadence_id, version, jsonb_object_agg(field, value) AS fields
    FROM cadence_sync.learnt_fields GROUP BY org_id, cadence_id, version
) AS found
WHERE c.org_id = found.org_id AND c.cadence_id = found.cadence_id AND c.version = found.version
"""


def upgrade() -> None:
    op.create_table(
        "learnt_fields",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("cadence_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("value", postgresql.JSONB(), nullable=False),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["org_id", "cadence_id", "version"],
            [f"cadence_sync.cadence_versions.{column}" for column in ("org_id", "cadence_id", "version")],
            name=op.f("fk_learnt_fields_version"),
        ),
        sa.PrimaryKeyConstraint("org_id", "cadence_id", "version", "field", name=op.f("pk_learnt_fields")),
        schema="cadence_sync",
        if_not_exists=True,  # a downgrade leaves a table that holds rows
    )
    execute = op.get_bind().exec_driver_sql
    execute(
        "CREATE OR REPLACE TRIGGER keep_learnt_fields BEFORE UPDATE OR DELETE OR TRUNCATE ON cadence_sync.learnt_fields"
        " FOR EACH STATEMENT EXECUTE FUNCTION cadence_sync.refuse_rewrite()"
    )
    execute(WHAT_IS_KNOWN_OF_EARLIER_ONES)
    for file in sorted(SOURCE.glob("*.sql")):
        execute(file.read_text(encoding="utf-8"))
    comments = tomllib.loads((SOURCE / "comments.toml").read_text(encoding="utf-8"))
    for kind, objects in comments.items():
        for name, comment in objects.items():
            quoted = comment.replace("'", "''")
            execute(f"COMMENT ON {kind} cadence_reporting.{name} IS '{quoted}'")
    execute("DROP FUNCTION cadence_reporting.with_learnt(jsonb, jsonb)")
    op.drop_column("cadences", "learnt", schema="cadence_sync")


def downgrade() -> None:
    learnt = sa.Column("learnt", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False)
    op.add_column("cadences", learnt, schema="cadence_sync")
    execute = op.get_bind().exec_driver_sql
    execute(BACK_TO_THE_CURRENT_ROWS)
    for name in REPLACED:
        older = (REPORTING / "0004" / f"{name}.sql").read_text(encoding="utf-8")
        execute(older.replace("CREATE ", "CREATE OR REPLACE ", 1))
    execute("DROP FUNCTION cadence_reporting.canonical(jsonb)")
    execute("DROP FUNCTION cadence_reporting.history_known_by(timestamptz)")
    execute("DROP FUNCTION cadence_reporting.seen_by(timestamptz, text)")
    execute("DROP AGGREGATE cadence_reporting.known_document(jsonb, text, jsonb)")
    execute("DROP FUNCTION cadence_reporting.with_field(jsonb, jsonb, text, jsonb)")
    execute("DROP VIEW cadence_reporting.stored_versions, cadence_reporting.learnt_fields")
    # When something became known is part of the history, and a later upgrade must know it.
    if not op.get_bind().scalar(sa.text("SELECT EXISTS (SELECT FROM cadence_sync.learnt_fields)")):
        op.drop_table("learnt_fields", schema="cadence_sync")
