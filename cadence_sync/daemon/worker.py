"""Takes jobs from the queue and syncs their organizations concurrently; any number of workers may run."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, get_args

import msgspec
from pgqueuer.core.qm import QueueManager
from pgqueuer.domain.errors import RetryRequested
from pgqueuer.domain.models import Job
from pgqueuer.domain.types import JobId
from structlog.contextvars import bound_contextvars

from cadence_sync import wiring
from cadence_sync.config.orgs import OrgConfig
from cadence_sync.config.settings import DataCenter, Settings
from cadence_sync.core.report import Counters, ErrorInfo, Outcome, Report
from cadence_sync.daemon import metrics, queue
from cadence_sync.daemon.queue import SyncJob
from cadence_sync.daemon.tracing import Tracing
from cadence_sync.db.engine import Engine
from cadence_sync.db.queue import Connection, direct
from cadence_sync.errors import UNKNOWN_ORG, BudgetError, CadenceSyncError, DatabaseError
from cadence_sync.logs import log, log_and_continue
from cadence_sync.orgs.registry import OrgConfigCache
from cadence_sync.ports import ApiUsage, Org
from cadence_sync.sync import Sync, unexpected_error

HEARTBEAT: Final = timedelta(seconds=20)
"""Time without a heartbeat after which another worker takes over a job."""
POLL: Final = timedelta(seconds=10)
"""Between two looks into the queue without a notification."""
RETRY: Final = 2.0
"""Seconds until a worker that lost its database tries again."""
LATER: Final = timedelta(seconds=2)
"""After which a job that could not be done here is offered again."""
ATTEMPTS: Final = 12
"""How often a job is handed back, for a worker that has the credentials of its organization; then its run failed."""


@dataclass(slots=True)
class Worker:
    """Syncs what is due.

    `sync_org` takes a job and the number of times that it was handed back, and returns whether it is done: else
    another worker may try. It raises only if it is canceled.
    """

    url: str
    sync_org: Callable[[SyncJob, int], Awaitable[bool]]
    concurrency: int
    per_data_center: int
    """Limit of concurrent syncs of one data center by all workers; 0 for none."""
    running: dict[str, asyncio.Task[bool]] = field(default_factory=dict)
    """By organization; a sync goes on when the connection to the queue is lost, and its job is met again."""
    taking: bool = False
    _done: deque[JobId] = field(default_factory=lambda: deque(maxlen=1000))
    """Jobs that ended while there was no connection to mark them as done."""
    _manager: QueueManager | None = None
    _lost: asyncio.Event = field(default_factory=asyncio.Event)
    _stopping: bool = False
    _handing_back: bool = False
    _ended: bool = False

    @property
    def ended_by_itself(self) -> bool:
        """Whether it takes no more jobs, although nobody stopped it."""
        return self._ended and not self._stopping

    async def run(self) -> None:
        try:
            while not self._stopping:
                await self._take_while_connected()
                if not self._stopping:
                    await asyncio.sleep(RETRY)
        finally:
            self._ended = True

    async def _take_while_connected(self) -> None:
        with log_and_continue("worker_stopped"):
            try:
                async with direct(self.url) as connection:
                    await self._take(connection)
            finally:
                self.taking = False

    async def drain(self, grace: float) -> None:
        """Takes no more jobs, waits `grace` seconds for running ones, and hands back the rest."""
        self._stopping = True
        if self._manager is not None:
            self._manager.shutdown.set()
        if self.running:
            await asyncio.wait({*self.running.values()}, timeout=grace)
        self._handing_back = True
        for task in self.running.values():
            task.cancel()

    async def _take(self, connection: Connection) -> None:
        manager = QueueManager(queue.queries_on(connection), queue.CHANNEL)
        for data_center in get_args(DataCenter):
            manager.entrypoint(queue.entrypoint(data_center), concurrency_limit=self.per_data_center)(self._work)
        self._manager, self._lost = manager, asyncio.Event()
        if self._stopping:
            return
        self.taking = True
        watch = asyncio.create_task(self._watch(connection, manager))
        free = max(2, self.concurrency - len(self.running))
        try:
            await manager.run(
                dequeue_timeout=POLL,
                batch_size=free // 2,
                max_concurrent_tasks=free,
                shutdown_on_listener_failure=True,
                heartbeat_timeout=HEARTBEAT,
                log_aggregation_interval=timedelta(0),
            )
        finally:
            watch.cancel()

    async def _watch(self, connection: Connection, manager: QueueManager) -> None:
        """Lets go of the jobs when the connection is lost, not of the work: it may last for minutes.

        PgQueuer would wait for it. asyncpg has listeners for this, which miss a server that says why it hangs up.
        """
        while not connection.is_closed():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(1)
        self._lost.set()
        manager.shutdown.set()

    async def _work(self, job: Job) -> None:
        if job.id in self._done:
            return
        due = msgspec.json.decode(job.payload or b"", type=SyncJob)
        task, lost = self._begin(due, job), asyncio.ensure_future(self._lost.wait())
        try:
            await asyncio.wait({task, lost}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            task.cancel()
            raise
        finally:
            lost.cancel()
        if not task.done():
            task.add_done_callback(lambda ended: self._remember(job.id, ended))
        elif task.cancelled():
            if not self._handing_back:
                raise asyncio.CancelledError
            raise RetryRequested(delay=timedelta(0), reason="the worker stops")
        elif not task.result():
            raise RetryRequested(delay=LATER, reason="it could not be done here")

    def _begin(self, due: SyncJob, job: Job) -> asyncio.Task[bool]:
        """Returns the task that syncs an organization; one whose job comes again has a task already."""
        task = self.running.get(due.org_id)
        if task is None:
            task = asyncio.ensure_future(self.sync_org(due, job.attempts))
            self.running[due.org_id] = task
            task.add_done_callback(lambda _: self.running.pop(due.org_id))
        return task

    def _remember(self, job: JobId, ended: asyncio.Task[bool]) -> None:
        if not ended.cancelled() and ended.exception() is None and ended.result():
            self._done.append(job)


@dataclass(frozen=True, slots=True)
class JobRunner:
    settings: Settings
    engine: Engine
    orgs: OrgConfigCache
    sync_of: Callable[[OrgConfig], Sync]
    traced: Tracing

    async def run(self, job: SyncJob, attempts: int) -> bool:
        """Returns whether a job is done; else it is handed back, and another worker may try."""
        with bound_contextvars(org_id=job.org_id), self.traced(job.org_id, job.trigger) as end_span:
            report = await self._sync(job)
            error = report.error
            if error is not None and not _is_recorded(report):
                if error.code == UNKNOWN_ORG:
                    log.info("org_removed")
                    return True
                if attempts < ATTEMPTS or error.exit_code == DatabaseError.exit_code:
                    log.error("job_released", error=error.message, hint=error.hint)
                    return False
                report = await self._record_failure(job, error)
            end_span(report)
        metrics.count(report, job.data_center, job.trigger)
        fields = {name: value for name, value in report.to_json().items() if value}
        (log.warning if report.error else log.info)("sync_finished", **fields)
        return _is_recorded(report)

    async def _sync(self, job: SyncJob) -> Report:
        try:
            return await self.sync_of(await self.orgs.get(job.org_id)).run(job.trigger)
        except CadenceSyncError as error:
            return _failed(job, ErrorInfo.of(error))
        except Exception as error:  # noqa: BLE001 - a defect must not cost a run
            log.exception("job_failed")
            return _failed(job, ErrorInfo.of(unexpected_error(error)))

    async def _record_failure(self, job: SyncJob, error: ErrorInfo) -> Report:
        now, store = wiring.SystemClock().now(), wiring.store(self.settings, self.engine)
        run_id = None
        try:
            run = await store.begin(Org(job.org_id, job.data_center, stored=True), job.trigger, now)
            run_id = run.run_id
            await store.fail(run, error, ApiUsage(), now)
        except CadenceSyncError as second:
            error = ErrorInfo.of(second)  # a run that cannot be recorded is worse
        return _failed(job, error, run_id)


def _failed(job: SyncJob, error: ErrorInfo, run_id: int | None = None) -> Report:
    return Report(job.org_id, run_id, Outcome.FAILED, Counters(), 0, 0.0, error)


def _is_recorded(report: Report) -> bool:
    """Returns whether a run was entered; where the budget is spent, its report does not name it."""
    return report.run_id is not None or (report.error is not None and report.error.code == BudgetError.default_code)
