"""A complete audit log, deletion reviews that stay, and redactions that change only names: `0004_audit.sql`."""

from pathlib import Path

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

FOLDER = Path(__file__).parent


def upgrade() -> None:
    run("0004_audit.sql")


def downgrade() -> None:
    run("0004_audit_down.sql")


def run(name: str) -> None:
    script = (FOLDER / name).read_text(encoding="utf-8")
    op.get_bind().connection.run_async(lambda driver: driver.execute(script))
