"""The tables of the schema `cadence_sync` for SQLAlchemy Core; `migrations/` creates them."""

from cadence_sync.db.tables.history import (
    SCHEMA,
    cadence_changes,
    cadence_versions,
    cadences,
    discovered_fields,
    execution_details,
    follow_up_summaries,
    metadata,
    orgs,
    redactions,
)
from cadence_sync.db.tables.running import (
    alert_outbox,
    audit_log,
    daily_runs,
    deletion_decisions,
    held_deletions,
    oauth_tokens,
    org_credentials,
    quarantined_records,
    schema_drift,
    sync_runs,
)

__all__ = [
    "SCHEMA",
    "alert_outbox",
    "audit_log",
    "cadence_changes",
    "cadence_versions",
    "cadences",
    "daily_runs",
    "deletion_decisions",
    "discovered_fields",
    "execution_details",
    "follow_up_summaries",
    "held_deletions",
    "metadata",
    "oauth_tokens",
    "org_credentials",
    "orgs",
    "quarantined_records",
    "redactions",
    "schema_drift",
    "sync_runs",
]
