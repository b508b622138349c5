"""Claims messages of the outbox and sends them; any number of processes may do so at once.

A process owns a message for a lease, which it renews while it sends, and marks the message when its receiver has taken
it. So a message is sent twice only where a process died, or lost its database, between the two, or where the receiver's
answer was lost.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from cadence_sync.alerts.channels import Channel
from cadence_sync.alerts.routing import ATTEMPTS, AlertRouting, IsStale, pause_after
from cadence_sync.errors import CadenceSyncError, TransientError
from cadence_sync.logs import log, log_and_continue
from cadence_sync.ports import Clock

if TYPE_CHECKING:
    from cadence_sync.db.alert_delivery import AlertDelivery, DueBatch, OutboxMessage

TICK: Final = 2.0
"""Seconds between two polls of the outbox."""
RENEW: Final = 60.0
"""Seconds after which the lease of a message that is still being sent is renewed."""
MARK_PAUSE: Final = 3.0
"""Seconds between two attempts to mark a message as sent."""
PATIENCE: Final = 300.0
"""Seconds without progress on any channel after which `drain` gives up."""

Count = Callable[[str, str], None]
"""Called with a channel and the result of a delivery: `sent`, `failed` or `dead_lettered`."""


@dataclass(slots=True)
class Dispatcher:
    """Sends due messages on its channels, one at a time on each."""

    delivery: "AlertDelivery"
    channels: Mapping[str, Channel]
    alerting: AlertRouting
    clock: Clock
    count: Count
    _busy: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _rate_limited_until: dict[str, float] = field(default_factory=dict)
    """By channel, on the monotonic clock."""
    _delivered: int = 0
    _stopping: bool = False

    async def run(self) -> None:
        while True:
            with log_and_continue("alert_delivery_failed"):
                await self._poll()
            await asyncio.sleep(TICK)

    async def drain(self) -> None:
        """Tries all due messages once; raises `DatabaseError`.

        Returns early without progress: another process is sending them, or an error is in the log.
        """
        before: list[DueBatch] = []
        try:
            while (due := await self.delivery.load_due(self.channels)) and due != before:
                before = due
                await self._poll()
                if not await self._settle():
                    break
        finally:
            await self.stop(0)

    async def stop(self, grace: float) -> None:
        """Claims no more messages, and waits `grace` seconds; a message that still hangs is left to its lease."""
        self._stopping = True
        if tasks := list(self._busy.values()):
            await asyncio.wait(tasks, timeout=grace)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _settle(self) -> bool:
        """Waits until no channel is busy; returns False where none of them makes progress."""
        while self._busy:
            before = self._delivered
            await asyncio.wait(self._busy.values(), timeout=PATIENCE)
            if self._busy and self._delivered == before:
                for channel in self._busy:
                    self.count(channel, "failed")
                    log.warning("alert_delivery_stalled", channel=channel, seconds=PATIENCE)
                return False
        return True

    async def _poll(self) -> None:
        idle = [channel for channel in self.channels if channel not in self._busy and self._may_send(channel)]
        for channel, due in groupby(await self.delivery.load_due(idle), attrgetter("channel")):
            if not self._stopping:
                self._busy[channel] = asyncio.create_task(self._drain_channel(channel, list(due)))

    def _may_send(self, channel: str) -> bool:
        return not self._stopping and self._rate_limited_until.get(channel, 0.0) <= self.clock.monotonic()

    async def _drain_channel(self, channel: str, due: "list[DueBatch]") -> None:
        try:
            with log_and_continue("alert_delivery_failed"):
                if any(batch.unbundled for batch in due):
                    await self.delivery.build_digest(channel, self.alerting.due(channel, self.clock.now()))
                    due = await self.delivery.load_due([channel])
                for batch in due:
                    while self._may_send(channel) and (message := await self.delivery.claim(batch)) is not None:
                        if message.events:
                            await self._deliver(message)
                        self._delivered += 1
        finally:
            del self._busy[channel]

    async def _deliver(self, message: "OutboxMessage") -> None:
        async with in_background(self._renew_lease(message)):
            try:
                await self.channels[message.channel].send(message.message_id, message.events)
            except TransientError as error:
                await self._mark_failed(message, error.message, error.retry_after)
            except Exception as error:  # noqa: BLE001 - a service's client raises what it likes
                await self._mark_failed(message, f"The channel failed ({type(error).__name__}).", None)
            else:
                await self._mark_sent(message)

    async def _renew_lease(self, message: "OutboxMessage") -> None:
        while True:
            await asyncio.sleep(RENEW)
            log.warning("alert_delivery_slow", channel=message.channel, message_id=message.message_id)
            with log_and_continue("alert_delivery_failed"):
                await self.delivery.renew_lease(message)

    async def _mark_failed(self, message: "OutboxMessage", why: str, retry_after: float | None) -> None:
        about = {"channel": message.channel, "attempts": message.attempts, "error": why}
        if retry_after:
            self._rate_limited_until[message.channel] = self.clock.monotonic() + retry_after
        if message.attempts >= ATTEMPTS:
            self.count(message.channel, "dead_lettered")
            log.error("alert_dead_lettered", **about)
            await self.delivery.dead_letter(message, why)
        else:
            self.count(message.channel, "failed")
            log.warning("alert_not_sent", **about)
            pause = max(pause_after(message.attempts), timedelta(seconds=retry_after or 0))
            await self.delivery.retry_later(message, why, pause)

    async def _mark_sent(self, message: "OutboxMessage") -> None:
        """Marks the message, however often that takes: otherwise another process would send it again."""
        while True:
            try:
                await self.delivery.mark_sent(message)
            except CadenceSyncError as error:
                log.warning("alert_delivery_failed", error=error.message)
                await asyncio.sleep(MARK_PAUSE)
            else:
                break
        self.count(message.channel, "sent")
        log.info("alert_sent", channel=message.channel, message_id=message.message_id)


@asynccontextmanager
async def run_dispatcher(dispatcher: Dispatcher, grace: float) -> AsyncIterator[None]:
    """Sends in the background; at the end waits `grace` seconds for messages under way."""
    try:
        async with in_background(dispatcher.run()):
            yield
    finally:
        await asyncio.shield(dispatcher.stop(grace))


async def watch_staleness(
    enter_staleness: Callable[[datetime, IsStale], Awaitable[None]],
    clock: Clock,
    staleness: Callable[[], IsStale | None],
) -> None:
    """Checks every 30 seconds until canceled; without a predicate another process checks."""
    while True:
        with log_and_continue("alert_delivery_failed"):
            is_stale = staleness()
            if is_stale is not None:
                await enter_staleness(clock.now(), is_stale)
        await asyncio.sleep(30)


@asynccontextmanager
async def in_background(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
