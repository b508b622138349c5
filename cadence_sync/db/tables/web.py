"""Tables of the web UI: who is logged in."""

import sqlalchemy as sa

from cadence_sync.db.tables.history import instant, metadata

web_sessions = sa.Table(
    "web_sessions",
    metadata,
    sa.Column("session_digest", sa.LargeBinary, primary_key=True),
    sa.Column("proof", sa.LargeBinary, nullable=False),
    sa.Column("token_id", sa.BigInteger),
    instant("created_at", nullable=False, server_default="now()"),
    instant("expires_at", nullable=False),
)
