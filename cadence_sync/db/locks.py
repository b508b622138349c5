"""Advisory locks of a transaction: a pooler in transaction mode cannot lose them."""

from typing import Final

from sqlalchemy import text

LOCK_ORG: Final = text(
    "SELECT set_config('lock_timeout', '10s', true), set_config('statement_timeout', '10min', true),"
    " set_config('idle_in_transaction_session_timeout', '60s', true),"
    " pg_advisory_xact_lock(hashtextextended('cadence_sync/' || :org_id, 0))"
)
"""Taken by the writer of an organization. The server cuts off a writer that freezes: it blocks nobody for long."""

LOCK_MIGRATION: Final = "SELECT pg_advisory_xact_lock(5203881477310421)"
"""Taken by `migrate`: several at once run one after the other."""
SHORT_LOCKS: Final = "SET LOCAL lock_timeout = '5s'"
"""A lock on a table that others hold for long fails the migration, not them."""
