"""Takes jobs from the queue and syncs their organisations, so many at a time; any number of workers may run."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, get_args

import msgspec
from pgqueuer.core.qm import QueueManager
from pgqueuer.domain.errors import RetryRequested
from pgqueuer.domain.models import Job

from cadence_sync.db.direct import Connection, direct
from cadence_sync.errors import CadenceSyncError
from cadence_sync.fleet import queue
from cadence_sync.fleet.queue import Due
from cadence_sync.logs import log
from cadence_sync.settings import DataCenter

HEARTBEAT: Final = timedelta(seconds=20)
"""A job whose worker has not been heard of for so long is taken over by another."""
RETRY: Final = 2.0
"""Seconds until a worker that lost its database tries again."""


@dataclass(slots=True)
class Worker:
    """Syncs what is due. `sync_org` runs one job and reports by itself; it raises only if it is stopped."""

    url: str
    sync_org: Callable[[Due], Awaitable[None]]
    concurrency: int
    per_data_center: int
    """How many organisations of one data centre may be synced at once by all workers; 0 for any number."""
    running: set[asyncio.Task[None]] = field(default_factory=set)
    taking: bool = False
    """Whether it is connected to the queue."""
    _manager: QueueManager | None = None
    _stopping: bool = False
    _handing_back: bool = False

    async def run(self) -> None:
        """Take jobs until `drain`; a database that is away is waited for."""
        while not self._stopping:
            try:
                async with direct(self.url) as connection:
                    self.taking = True
                    await self._take(connection)
            except CadenceSyncError as error:
                log.warning("worker_stopped", error=error.message)
            except Exception as error:  # noqa: BLE001 - PgQueuer raises what its driver raises
                log.warning("worker_stopped", error=type(error).__name__)
            finally:
                self.taking = False
            if not self._stopping:
                await asyncio.sleep(RETRY)

    async def drain(self, grace: float) -> None:
        """Take no more jobs, and wait for those under way; what is left after the grace is handed back."""
        self._stopping = True
        if self._manager is not None:
            self._manager.shutdown.set()
        if self.running:
            await asyncio.wait(set(self.running), timeout=grace)
        self._handing_back = True
        for task in self.running:
            task.cancel()

    async def _take(self, connection: Connection) -> None:
        manager = QueueManager(queue.queries_on(connection), queue.CHANNEL)
        for data_center in get_args(DataCenter):
            manager.entrypoint(queue.entrypoint(data_center), concurrency_limit=self.per_data_center)(self._work)
        self._manager = manager
        if self._stopping:
            return
        await manager.run(
            batch_size=self.concurrency // 2,
            max_concurrent_tasks=self.concurrency,
            shutdown_on_listener_failure=True,
            heartbeat_timeout=HEARTBEAT,
            log_aggregation_interval=timedelta(0),
        )

    async def _work(self, job: Job) -> None:
        due = msgspec.json.decode(job.payload or b"", type=Due)
        task = asyncio.ensure_future(self.sync_org(due))
        self.running.add(task)
        try:
            await task
        except asyncio.CancelledError:
            if not self._handing_back:
                task.cancel()
                raise
            raise RetryRequested(delay=timedelta(0), reason="the worker stops") from None
        finally:
            self.running.discard(task)
