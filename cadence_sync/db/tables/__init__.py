"""The tables of the schema `cadence_sync` for SQLAlchemy Core; `migrations/` creates them."""

from cadence_sync.db.tables import access, history, running
from cadence_sync.db.tables.history import SCHEMA, metadata

__all__ = ["SCHEMA", "access", "history", "metadata", "running"]
