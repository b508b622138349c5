"""Two small indexes: of names before renamings, and of versions that were seen before they were valid.

The first leaves out names that no index can hold; of the second there are hardly any, as where a clock was set back.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_cadence_changes_names",
        "cadence_changes",
        ["org_id", "cadence_id"],
        schema="cadence_sync",
        postgresql_include=["old_value"],
        postgresql_where=sa.text("field = 'name' AND octet_length(old_value #>> '{}') <= 1000"),
    )
    op.create_index(
        "ix_cadence_versions_seen_before_valid",
        "cadence_versions",
        ["org_id", "cadence_id", "version"],
        schema="cadence_sync",
        postgresql_where=sa.text("observed_at < valid_from"),
    )


def downgrade() -> None:
    op.drop_index("ix_cadence_versions_seen_before_valid", table_name="cadence_versions", schema="cadence_sync")
    op.drop_index("ix_cadence_changes_names", table_name="cadence_changes", schema="cadence_sync")
