"""Views that answer the same whether or not old runs are pruned, and what finds the runs that learnt something."""

import tomllib
from pathlib import Path

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

REPORTING = Path(__file__).parents[1] / "reporting"
SOURCE = REPORTING / revision
DESCRIBED_ANEW = ("quarantined_records", "sync_runs")


def upgrade() -> None:
    op.create_index(
        op.f("ix_learnt_fields_org_id_run_id"), "learnt_fields", ["org_id", "run_id"], schema="cadence_sync"
    )
    execute = op.get_bind().exec_driver_sql
    for file in sorted(SOURCE.glob("*.sql")):
        execute(file.read_text(encoding="utf-8"))
    comments = tomllib.loads((SOURCE / "comments.toml").read_text(encoding="utf-8"))
    for kind, objects in comments.items():
        for name, comment in objects.items():
            execute(f"COMMENT ON {kind} cadence_reporting.{name} IS {quoted(comment)}")


def downgrade() -> None:
    execute = op.get_bind().exec_driver_sql
    execute("DROP VIEW cadence_reporting.daily_runs")
    older = (REPORTING / "0004" / "12_daily_snapshots.sql").read_text(encoding="utf-8")
    execute(older.replace("CREATE ", "CREATE OR REPLACE ", 1))
    comments = tomllib.loads((REPORTING / "0004" / "comments.toml").read_text(encoding="utf-8"))
    for view in DESCRIBED_ANEW:
        execute(f"COMMENT ON VIEW cadence_reporting.{view} IS {quoted(comments['views'][view])}")
    op.drop_index(op.f("ix_learnt_fields_org_id_run_id"), table_name="learnt_fields", schema="cadence_sync")


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
