"""Who may use the web UI: named access tokens and sessions, of whose secrets only the digests are stored."""

import sqlalchemy as sa

from cadence_sync.db.tables.history import instant, metadata

access_tokens = sa.Table(
    "access_tokens",
    metadata,
    sa.Column("token_id", sa.BigInteger, sa.Identity(always=True)),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("orgs", sa.ARRAY(sa.Text)),
    instant("created_at", nullable=False, server_default="now()"),
    sa.Column("created_by", sa.Text, nullable=False),
    instant("expires_at"),
    instant("last_used_at"),
    instant("revoked_at"),
    sa.Column("revoked_by", sa.Text),
    sa.PrimaryKeyConstraint("token_id"),
    sa.UniqueConstraint("digest", name="digest"),
    sa.CheckConstraint("role IN ('viewer', 'reviewer')", name="role"),
    sa.CheckConstraint("octet_length(digest) = 32", name="sha256"),
    sa.CheckConstraint("cardinality(orgs) > 0", name="some_org"),
    sa.CheckConstraint("(revoked_at IS NULL) = (revoked_by IS NULL)", name="revoked_by_a_person"),
    sa.Index("ix_access_tokens_name_in_use", "name", unique=True, postgresql_where=sa.text("revoked_at IS NULL")),
)

web_sessions = sa.Table(
    "web_sessions",
    metadata,
    sa.Column("session_digest", sa.LargeBinary, primary_key=True),
    sa.Column("proof", sa.LargeBinary, nullable=False),
    sa.Column("token_id", sa.BigInteger),
    instant("created_at", nullable=False, server_default="now()"),
    instant("expires_at", nullable=False),
)
