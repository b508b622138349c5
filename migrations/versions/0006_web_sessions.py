"""Sessions of the web UI: their end and their revocation are the server's, not the cookie's."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE cadence_sync.web_sessions (
            session_digest bytea NOT NULL,
            proof bytea NOT NULL,
            token_id bigint,
            created_at timestamptz NOT NULL DEFAULT now(),
            expires_at timestamptz NOT NULL,
            CONSTRAINT pk_web_sessions PRIMARY KEY (session_digest)
        )
    """)


def downgrade() -> None:
    op.execute("DROP TABLE cadence_sync.web_sessions")
