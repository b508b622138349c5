"""The embedded server: a real Postgres, started on demand and reached through a private Unix socket.

Its programs come from a wheel (docs/decisions/ says which and why) or from this machine.
"""

from cadence_sync.db.embedded.server import describe, running, temporary

__all__ = ["describe", "running", "temporary"]
