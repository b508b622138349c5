"""What people query: the schema `cadence_reporting`, each of whose objects and columns carries a comment."""

import tomllib
from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SOURCE = Path(__file__).parents[1] / "reporting" / revision


def upgrade() -> None:
    op.add_column("orgs", sa.Column("first_walk_at", sa.DateTime(timezone=True), nullable=True), schema="cadence_sync")
    execute = op.get_bind().exec_driver_sql
    execute("""
        UPDATE cadence_sync.orgs AS o SET first_walk_at = (
            SELECT min(r.started_at) FROM cadence_sync.sync_runs AS r
            WHERE r.org_id = o.org_id AND r.outcome <> 'failed'
        )
    """)
    execute("CREATE SCHEMA cadence_reporting")
    # Functions may name what comes after them.
    execute("SET LOCAL check_function_bodies = off")
    for file in sorted(SOURCE.glob("*.sql")):
        execute(file.read_text(encoding="utf-8"))
    comments = tomllib.loads((SOURCE / "comments.toml").read_text(encoding="utf-8"))
    execute(f"COMMENT ON SCHEMA cadence_reporting IS {quoted(comments['schema'])}")
    for signature, comment in comments["functions"].items():
        execute(f"COMMENT ON FUNCTION cadence_reporting.{signature} IS {quoted(comment)}")
    for view, comment in comments["views"].items():
        execute(f"COMMENT ON VIEW cadence_reporting.{view} IS {quoted(comment)}")
        for column in sa.inspect(op.get_bind()).get_columns(view, schema="cadence_reporting"):
            told = comments["columns"].get(f"{view}.{column['name']}") or comments["columns"][column["name"]]
            execute(f"COMMENT ON COLUMN cadence_reporting.{view}.{column['name']} IS {quoted(told)}")


def downgrade() -> None:
    op.execute("DROP SCHEMA cadence_reporting CASCADE")
    op.drop_column("orgs", "first_walk_at", schema="cadence_sync")


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
