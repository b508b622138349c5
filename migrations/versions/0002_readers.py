"""Trigger functions whose names no other role can shadow."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

FUNCTIONS = ("refuse_rewrite", "refuse_unless_redacting")


def upgrade() -> None:
    for function in FUNCTIONS:
        op.execute(f"ALTER FUNCTION cadence_sync.{function}() SET search_path = pg_catalog, pg_temp")


def downgrade() -> None:
    for function in FUNCTIONS:
        op.execute(f"ALTER FUNCTION cadence_sync.{function}() RESET search_path")
