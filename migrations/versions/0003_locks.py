"""A table of named locks, which only roles that may write it can hold: advisory locks are open to every role."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE cadence_sync.locks (
            org_id text NOT NULL,
            name text NOT NULL,
            CONSTRAINT pk_locks PRIMARY KEY (org_id, name)
        )
    """)


def downgrade() -> None:
    op.execute("DROP TABLE cadence_sync.locks")
