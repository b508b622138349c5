"""When cadences that were only spelled anew were last written: at most once a day."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("orgs", sa.Column("respelled_at", sa.DateTime(timezone=True), nullable=True), schema="cadence_sync")


def downgrade() -> None:
    op.drop_column("orgs", "respelled_at", schema="cadence_sync")
