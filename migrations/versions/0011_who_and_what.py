"""Indexes of changes by field and by person, small: neither holds what moves with every edit."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_cadence_changes_what": ("field", "field <> 'modified_time' AND field <> 'modified_by.id'"),
    "ix_cadence_changes_who": (
        "changed_by_id",
        "changed_by_id IS NOT NULL AND (field = '*' OR field = 'modified_time')",
    ),
}


def upgrade() -> None:
    for name, (column, where) in INDEXES.items():
        op.create_index(
            name,
            "cadence_changes",
            ["org_id", column, "changed_at"],
            schema="cadence_sync",
            postgresql_where=sa.text(where),
        )


def downgrade() -> None:
    for name in INDEXES:
        op.drop_index(name, table_name="cadence_changes", schema="cadence_sync")
