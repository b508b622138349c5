"""The lock under which an organisation is written: taken inside a transaction, so that no pooler can lose it."""

from typing import Final

from sqlalchemy import text

LOCK_ORG: Final = text(
    "SELECT set_config('lock_timeout', '10s', true), set_config('statement_timeout', '10min', true),"
    " set_config('idle_in_transaction_session_timeout', '60s', true),"
    " pg_advisory_xact_lock(hashtextextended('cadence_sync/' || :org_id, 0))"
)
"""A writer that freezes inside its transaction is cut off by the server, and blocks nobody for long."""
