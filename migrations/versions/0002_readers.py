"""Readers limited to organizations, and trigger functions whose names no other role can shadow."""

from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SCRIPT = Path(__file__).with_suffix(".sql")


def upgrade() -> None:
    script = SCRIPT.read_text(encoding="utf-8")
    op.get_bind().connection.run_async(lambda driver: driver.execute(script))


def downgrade() -> None:
    op.execute("DROP FUNCTION cadence_sync.readable_orgs")
    op.execute("DROP TABLE cadence_sync.reader_limits")
    for function in ("refuse_rewrite", "refuse_unless_redacting"):
        op.execute(f"ALTER FUNCTION cadence_sync.{function}() RESET search_path")
