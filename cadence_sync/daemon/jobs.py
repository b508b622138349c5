"""What a worker does with a job: it syncs the organization, and counts and logs the result."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cadence_sync import wiring
from cadence_sync.config.orgs import OrgConfig
from cadence_sync.config.settings import Settings
from cadence_sync.core.report import Counters, ErrorInfo, Outcome, Report
from cadence_sync.daemon import metrics
from cadence_sync.daemon.queue import SyncJob
from cadence_sync.daemon.tracing import Tracing
from cadence_sync.errors import UNKNOWN_ORG, CadenceSyncError, DatabaseError
from cadence_sync.logs import about, log
from cadence_sync.orgs.registry import OrgConfigCache
from cadence_sync.ports import ApiUsage, Org
from cadence_sync.sync import Sync

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

ATTEMPTS: Final = 12
"""How often a job is handed back, for a worker that has the credentials of its organization; then its run failed."""


@dataclass(frozen=True, slots=True)
class JobRunner:
    settings: Settings
    engine: "AsyncEngine"
    orgs: OrgConfigCache
    sync_of: Callable[[OrgConfig], Sync]
    traced: Tracing

    async def run(self, job: SyncJob, attempts: int) -> bool:
        """Returns whether a job is done; else it is handed back, and another worker may try."""
        with about(org_id=job.org_id), self.traced(job.org_id, job.trigger) as end_span:
            try:
                org = await self.orgs.get(job.org_id)
            except CadenceSyncError as error:
                if error.code == UNKNOWN_ORG:
                    log.info("org_removed")
                    return True
                if attempts < ATTEMPTS or isinstance(error, DatabaseError):
                    log.error("job_released", error=error.message, hint=error.hint)
                    return False
                report = await self._record_failure(job, error)
            else:
                report = await self.sync_of(org).run(job.trigger)
            end_span(report)
        metrics.count(report, job.data_center, job.trigger)
        fields = {name: value for name, value in report.to_json().items() if value}
        (log.warning if report.error else log.info)("sync_finished", **fields)
        return report.run_id is not None or report.exit_code != DatabaseError.exit_code

    async def _record_failure(self, job: SyncJob, error: CadenceSyncError) -> Report:
        """Records and reports a run that failed before it began: its organization is not configured correctly."""
        now, store = wiring.SystemClock().now(), wiring.store(self.settings, self.engine)
        run_id = None
        try:
            run = await store.begin(Org(job.org_id, job.data_center, stored=True), job.trigger, now)
            run_id = run.run_id
            await store.fail(run, ErrorInfo.of(error), ApiUsage(), now)
        except CadenceSyncError as second:
            error = second  # a run that cannot be recorded is worse
        return Report(job.org_id, run_id, Outcome.FAILED, Counters(), 0, 0.0, ErrorInfo.of(error))
