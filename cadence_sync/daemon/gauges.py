"""Gauges that are read from the database when Prometheus asks, at most so often."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from prometheus_client import generate_latest

from cadence_sync.daemon import metrics
from cadence_sync.daemon.schedule import OrgSchedule
from cadence_sync.db.queries.monitoring import Vitals, vitals
from cadence_sync.errors import CadenceSyncError
from cadence_sync.ports import Clock

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

PATIENCE: Final = 8.0
"""Seconds that a look may take: Prometheus waits for ten."""
FRESH: Final = 15.0
"""Seconds for which the last look is good enough, however many scrapers ask."""


@dataclass(slots=True)
class Gauges:
    """All metrics of a process that can see the database."""

    engine: "AsyncEngine"
    clock: Clock
    look: Callable[[], Awaitable[Mapping[str, OrgSchedule]]] | None = None
    """Says what is to be synced how often, whoever leads; None where that is not known here."""
    schedules: Mapping[str, OrgSchedule] = field(default_factory=dict)
    _looked: float | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def text(self) -> bytes:
        """Return everything in Prometheus's text format; without the database, what is known without it."""
        async with self._lock:
            now = self.clock.monotonic()
            if self._looked is None or now - self._looked >= FRESH:
                try:
                    async with asyncio.timeout(PATIENCE):
                        if self.look is not None:
                            self.schedules = await self.look()
                        self._show(await vitals(self.engine))
                    self._looked = now
                except (CadenceSyncError, TimeoutError):
                    self._clear()
        return generate_latest(metrics.REGISTRY)

    def _show(self, seen: Vitals) -> None:
        self._clear()
        for org in seen.orgs:
            if not org.enabled:
                continue  # nobody wants to be woken by one that is paused
            values = {
                "last_success_timestamp_seconds": org.last_success,
                "org_failures": org.consecutive_failures,
                "org_interval_seconds": self._interval(org.org_id),
                "api_credits_left": org.credits_left,
                "quarantined_records": org.quarantined,
                "held_deletions": org.held,
                "schema_drift": org.unknown_fields,
            }
            for name, value in values.items():
                if value is not None:
                    metrics.ORG_GAUGES[name].labels(org.org_id).set(value)
        enabled = sum(org.enabled for org in seen.orgs)
        metrics.ORGS.labels("enabled").set(enabled)
        metrics.ORGS.labels("paused").set(len(seen.orgs) - enabled)
        for channel in seen.channels:
            metrics.ALERTS_PENDING.labels(channel.channel).set(channel.pending)
            metrics.ALERTS_DEAD_LETTERED.labels(channel.channel).set(channel.dead_lettered)
        metrics.JOBS.labels("queued").set(seen.queue.queued)
        metrics.JOBS.labels("running").set(seen.queue.running)
        metrics.OLDEST.set(seen.queue.oldest)

    def _interval(self, org_id: str) -> float | None:
        schedule = self.schedules.get(org_id)
        return None if schedule is None else schedule.max_interval(self.clock.now())

    def _clear(self) -> None:
        """Old values would look like present ones."""
        alerts = (metrics.ALERTS_PENDING, metrics.ALERTS_DEAD_LETTERED)
        for gauge in (*metrics.ORG_GAUGES.values(), metrics.ORGS, metrics.JOBS, *alerts):
            gauge.clear()
        metrics.OLDEST.set(math.nan)
