"""An index of versions that were seen before they were valid, as where a clock was set back: of hardly any rows."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_cadence_versions_seen_before_valid",
        "cadence_versions",
        ["org_id", "cadence_id", "version"],
        schema="cadence_sync",
        postgresql_where=sa.text("observed_at < valid_from"),
    )


def downgrade() -> None:
    op.drop_index("ix_cadence_versions_seen_before_valid", table_name="cadence_versions", schema="cadence_sync")
