"""Metrics for Prometheus: counters of this process, and gauges that are read from the database."""

import asyncio
import math
import platform
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector, generate_latest

from cadence_sync import __version__
from cadence_sync.core.report import Report
from cadence_sync.daemon.schedule import OrgSchedule
from cadence_sync.db.engine import Engine
from cadence_sync.db.queries.orgs import Vitals, load_vitals
from cadence_sync.errors import CadenceSyncError
from cadence_sync.ports import Clock

REGISTRY: Final = CollectorRegistry()
ProcessCollector(registry=REGISTRY)

RUNS: Final = Counter("cadence_sync_runs", "Runs that ended.", ["outcome", "data_center", "trigger"], registry=REGISTRY)
DURATION: Final = Histogram(
    "cadence_sync_run_duration_seconds",
    "How long runs took.",
    ["outcome"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900),
    registry=REGISTRY,
)
API_CALLS: Final = Counter(
    "cadence_sync_api_calls", "Requests to Zoho, without those for tokens.", ["data_center"], registry=REGISTRY
)
CHANGES: Final = Counter("cadence_sync_changes", "Versions that were written.", ["kind"], registry=REGISTRY)
TOKENS: Final = Counter(
    "cadence_sync_token_refreshes", "Access tokens that were asked for.", ["result"], registry=REGISTRY
)
ALERTS: Final = Counter("cadence_sync_alerts", "Tries to send a message.", ["channel", "result"], registry=REGISTRY)
LOGINS: Final = Counter("cadence_sync_logins", "Tries to log in to the web UI.", ["result"], registry=REGISTRY)
LEADING: Final = Gauge("cadence_sync_scheduler_leading", "1 where this process decides what is due.", registry=REGISTRY)

_BY_ORG: Final = {
    "last_success_timestamp_seconds": "End of the last run that applied the list.",
    "org_failures": "Runs that failed since the last good one.",
    "org_interval_seconds": "Seconds between two runs, if all goes well; of cron lines those to the next one.",
    "api_credits_left": "API credits left, as Zoho last said.",
    "quarantined_records": "Records that the last good run could not read.",
    "held_deletions": "Missing cadences that await a decision.",
    "schema_drift": "Fields and words of Zoho that are not known yet.",
}
ORG_GAUGES: Final = {
    name: Gauge(f"cadence_sync_{name}", text, ["org_id"], registry=REGISTRY) for name, text in _BY_ORG.items()
}
ORGS: Final = Gauge("cadence_sync_orgs", "Organizations.", ["state"], registry=REGISTRY)
JOBS: Final = Gauge("cadence_sync_queue_jobs", "Jobs in the queue.", ["state"], registry=REGISTRY)
ALERTS_PENDING: Final = Gauge(
    "cadence_sync_alerts_pending", "Alerts that a channel has not received yet.", ["channel"], registry=REGISTRY
)
ALERTS_DEAD_LETTERED: Final = Gauge(
    "cadence_sync_alerts_dead_lettered", "Dead-lettered alerts.", ["channel"], registry=REGISTRY
)
OLDEST: Final = Gauge(
    "cadence_sync_queue_oldest_seconds", "How long the oldest job that is due has waited.", registry=REGISTRY
)
Info("cadence_sync_build", "What runs.", registry=REGISTRY).info(
    {"version": __version__, "python": platform.python_version()}
)


def count(report: Report, data_center: str, trigger: str) -> None:
    RUNS.labels(str(report.outcome), data_center, trigger).inc()
    DURATION.labels(str(report.outcome)).observe(report.duration_seconds or 0)
    API_CALLS.labels(data_center).inc(report.api_calls or 0)
    if report.counters is not None:
        for kind in ("baseline", "created", "updated", "deleted", "restored"):
            CHANGES.labels(kind).inc(getattr(report.counters, kind))


FRESH: Final = 15.0
"""Seconds for which the last values are good enough, for any number of scrapers."""


@dataclass(slots=True)
class Gauges:
    engine: Engine
    clock: Clock
    look: Callable[[], Awaitable[Mapping[str, OrgSchedule]]] | None = None
    """Loads the schedules; None where they are not known."""
    schedules: Mapping[str, OrgSchedule] = field(default_factory=dict)
    _looked: float | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def text(self) -> bytes:
        """Returns all metrics in Prometheus's text format; without the database, those of this process."""
        async with self._lock:
            if self._looked is None or self.clock.monotonic() - self._looked >= FRESH:
                try:
                    async with asyncio.timeout(8):  # Prometheus waits for ten seconds
                        if self.look is not None:
                            self.schedules = await self.look()
                        self._set(await load_vitals(self.engine))
                except (CadenceSyncError, TimeoutError):
                    self._clear()
                # Also where it failed: scrapers that are waiting must not try one after the other.
                self._looked = self.clock.monotonic()
        return generate_latest(REGISTRY)

    def _set(self, seen: Vitals) -> None:
        self._clear()
        for org in seen.orgs:
            if not org.enabled:
                continue  # one that is paused must not alert
            schedule = self.schedules.get(org.org_id)
            values = {
                "last_success_timestamp_seconds": org.last_success,
                "org_failures": org.consecutive_failures,
                "org_interval_seconds": schedule and schedule.max_interval(self.clock.now()),
                "api_credits_left": org.credits_left,
                "quarantined_records": org.quarantined,
                "held_deletions": org.held,
                "schema_drift": org.unknown_fields,
            }
            for name, value in values.items():
                if value is not None:
                    ORG_GAUGES[name].labels(org.org_id).set(value)
        enabled = sum(org.enabled for org in seen.orgs)
        ORGS.labels("enabled").set(enabled)
        ORGS.labels("paused").set(len(seen.orgs) - enabled)
        for channel in seen.channels:
            ALERTS_PENDING.labels(channel.channel).set(channel.pending)
            ALERTS_DEAD_LETTERED.labels(channel.channel).set(channel.dead_lettered)
        JOBS.labels("queued").set(seen.queue.queued)
        JOBS.labels("running").set(seen.queue.running)
        OLDEST.set(seen.queue.oldest)

    def _clear(self) -> None:
        """Removes all values of the database: old ones would look like present ones."""
        for gauge in (*ORG_GAUGES.values(), ORGS, JOBS, ALERTS_PENDING, ALERTS_DEAD_LETTERED):
            gauge.clear()
        OLDEST.set(math.nan)
