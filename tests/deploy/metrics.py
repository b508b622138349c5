"""The names that alerts and dashboard may use: what the program tells about itself."""

from importlib import import_module
from importlib.util import find_spec
from typing import Final

from prometheus_client import CollectorRegistry

AGREED: Final = {
    "cadence_sync_build_info",
    "cadence_sync_runs_total",
    "cadence_sync_run_duration_seconds_bucket",
    "cadence_sync_run_duration_seconds_count",
    "cadence_sync_run_duration_seconds_sum",
    "cadence_sync_api_calls_total",
    "cadence_sync_changes_total",
    "cadence_sync_token_refreshes_total",
    "cadence_sync_last_success_timestamp_seconds",
    "cadence_sync_org_failures",
    "cadence_sync_org_interval_seconds",
    "cadence_sync_api_credits_left",
    "cadence_sync_quarantined_records",
    "cadence_sync_held_deletions",
    "cadence_sync_schema_drift",
    "cadence_sync_organisations",
    "cadence_sync_queue_jobs",
    "cadence_sync_queue_oldest_seconds",
    "cadence_sync_scheduler_leading",
    "process_start_time_seconds",
}
"""To be dropped as soon as `cadence_sync.fleet.metrics` is there: it is then what counts."""
OF_PROMETHEUS: Final = {"up"}
"""What Prometheus itself adds."""


def known_names() -> set[str]:
    """Return the names of all time series of the program."""
    if find_spec("cadence_sync.fleet.metrics") is None:
        return AGREED
    module = import_module("cadence_sync.fleet.metrics")
    named: set[str] = set()
    for registry in [value for value in vars(module).values() if isinstance(value, CollectorRegistry)]:
        # Metrics with labels have no sample yet; collectors that describe nothing are not in the list of names.
        named |= set(registry._names_to_collectors)
        named |= {sample.name for family in registry.collect() for sample in family.samples}
    return named
