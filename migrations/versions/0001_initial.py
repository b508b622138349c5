"""The tables, the chain of versions, and the triggers that refuse to rewrite history: `0001_initial.sql`."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SCRIPT = Path(__file__).with_suffix(".sql")


def upgrade() -> None:
    script = SCRIPT.read_text(encoding="utf-8")
    op.get_bind().connection.run_async(lambda driver: driver.execute(script))


def downgrade() -> None:
    raise RuntimeError("The first revision has no downgrade: drop the schemas to remove everything.")
