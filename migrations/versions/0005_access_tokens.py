"""Named access tokens of the web UI: `0005_access_tokens.sql`."""

from pathlib import Path

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

SCRIPT = Path(__file__).with_suffix(".sql")


def upgrade() -> None:
    script = SCRIPT.read_text(encoding="utf-8")
    op.get_bind().connection.run_async(lambda driver: driver.execute(script))


def downgrade() -> None:
    op.drop_table("access_tokens", schema="cadence_sync")
