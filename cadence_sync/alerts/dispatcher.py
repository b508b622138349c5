"""Takes messages out of the outbox and sends them; any number of processes may do so at once.

A message is one process's own for a lease, which is renewed while it is being sent, and marked when its receiver has
taken it. So it is sent twice only where a process died, or lost its database, between the two, or where the receiver's
answer was lost.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from cadence_sync.alerts.channel import Channel
from cadence_sync.alerts.routing import ATTEMPTS, AlertRouting, pause_after
from cadence_sync.db import alert_delivery
from cadence_sync.db.alert_delivery import DueBatch, OutboxMessage, load_alerts
from cadence_sync.errors import CadenceSyncError, TransientError
from cadence_sync.logs import log
from cadence_sync.ports import Clock

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

TICK: Final = 2.0
"""Seconds between two looks at the outbox."""
RENEW: Final = 60.0
"""Seconds after which the lease of a message that is still being sent is renewed."""
MARK_PAUSE: Final = 3.0
"""Seconds between two tries to mark what was sent."""
PATIENCE: Final = 300.0
"""Seconds without any message coming to an end, after which a process that only sends what is due waits no more."""

Count = Callable[[str, str], None]
"""Called with a channel and what became of a message: `sent`, `failed` or `dead_lettered`."""


def count_nothing(channel: str, result: str) -> None:
    """Count nothing: where nobody asks for metrics."""


@dataclass(slots=True)
class Dispatcher:
    """Sends what is due on the channels that it knows, one message of a channel at a time."""

    engine: "AsyncEngine"
    channels: Mapping[str, Channel]
    alerting: AlertRouting
    clock: Clock
    count: Count = count_nothing
    _busy: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _rate_limited_until: dict[str, float] = field(default_factory=dict)
    """Channels that asked for it, and until when on the clock that only goes forward."""
    _delivered: int = 0
    _stopping: bool = False

    async def run(self) -> None:
        """Send until canceled; whatever goes wrong is logged, and waits for the next look."""
        while True:
            async with log_and_continue():
                await self._poll()
            await asyncio.sleep(TICK)

    async def drain(self) -> None:
        """Send what is due now, and return when it was tried, or nobody waits any more; raises `DatabaseError`.

        Where nothing moves any more, another process is at it, or something is wrong that the log tells.
        """
        before: list[DueBatch] = []
        try:
            while (due := await alert_delivery.load_due(self.engine, self.channels)) and due != before:
                before = due
                await self._poll()
                if not await self._settle():
                    break
        finally:
            await self.stop(0)

    async def _settle(self) -> bool:
        """Wait until no channel is busy; returns whether that came about."""
        while self._busy:  # another process may have been faster
            before = self._delivered
            await asyncio.wait(self._busy.values(), timeout=PATIENCE)
            self._forget()
            if self._busy and self._delivered == before:
                for channel in self._busy:
                    self.count(channel, "failed")
                    log.warning("alert_delivery_stalled", channel=channel, seconds=PATIENCE)
                return False
        return True

    async def stop(self, grace: float) -> None:
        """Take no more messages, and wait for those under way; what hangs is another process's when its lease ends."""
        self._stopping = True
        if self._busy:
            await asyncio.wait(self._busy.values(), timeout=grace)
        for task in self._busy.values():
            task.cancel()
        if self._busy:
            await asyncio.wait(self._busy.values())

    async def _poll(self) -> None:
        """Start to empty the channels on which something is due."""
        self._forget()
        now = self.clock.monotonic()
        self._rate_limited_until = {
            channel: until for channel, until in self._rate_limited_until.items() if until > now
        }
        idle = self.channels.keys() - self._busy.keys() - self._rate_limited_until.keys()
        for channel, due in groupby(await alert_delivery.load_due(self.engine, idle), attrgetter("channel")):
            if not self._stopping:
                self._busy[channel] = asyncio.create_task(self._drain_channel(channel, list(due)))

    def _forget(self) -> None:
        self._busy = {channel: task for channel, task in self._busy.items() if not task.done()}

    async def _drain_channel(self, channel: str, due: list[DueBatch]) -> None:
        async with log_and_continue():
            if any(each.unbundled for each in due):
                await alert_delivery.build_digest(self.engine, channel, self.alerting.due(channel, self.clock.now()))
                due = await alert_delivery.load_due(self.engine, [channel])
            for each in due:
                while (
                    self._may_send(channel) and (message := await alert_delivery.claim(self.engine, each)) is not None
                ):
                    await self._deliver(message)
                    self._delivered += 1

    def _may_send(self, channel: str) -> bool:
        return not self._stopping and channel not in self._rate_limited_until

    async def _deliver(self, message: OutboxMessage) -> None:
        try:
            alerts = await load_alerts(self.engine, message)
        except CadenceSyncError:  # nobody was asked: it was no try
            async with log_and_continue():
                await alert_delivery.release(self.engine, message)
            raise
        if not alerts:  # purged or dropped meanwhile, or another process has it, since this one slept
            return
        async with self._heartbeat(message):
            try:
                await self.channels[message.channel].send(message.message_id, alerts)
            except TransientError as error:
                await self._not_sent(message, error.message, error.retry_after)
            except Exception as error:  # noqa: BLE001 - a service's client raises what it likes
                await self._not_sent(message, f"The channel failed ({type(error).__name__}).", None)
            else:
                await self._mark(message)

    @asynccontextmanager
    async def _heartbeat(self, message: OutboxMessage) -> AsyncIterator[None]:
        """Let no other process take a message meanwhile, however long its receiver thinks about it."""
        task = asyncio.create_task(self._renew(message))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _renew(self, message: OutboxMessage) -> None:
        while True:
            await asyncio.sleep(RENEW)
            log.warning("alert_delivery_slow", channel=message.channel, message_id=message.message_id)
            async with log_and_continue():
                await alert_delivery.renew_lease(self.engine, message)

    async def _not_sent(self, message: OutboxMessage, why: str, retry_after: float | None) -> None:
        dead = message.attempts >= ATTEMPTS
        pause = max(pause_after(message.attempts), timedelta(seconds=retry_after or 0))
        if retry_after:
            self._rate_limited_until[message.channel] = self.clock.monotonic() + retry_after
        self.count(message.channel, "dead_lettered" if dead else "failed")
        (log.error if dead else log.warning)(
            "alert_dead_lettered" if dead else "alert_not_sent",
            channel=message.channel,
            attempts=message.attempts,
            error=why,
        )
        await alert_delivery.mark_failed(self.engine, message, why, None if dead else pause)

    async def _mark(self, message: OutboxMessage) -> None:
        """Note that it was sent: tried until it is, since another would send it again."""
        while True:
            try:
                await alert_delivery.mark_sent(self.engine, message)
            except CadenceSyncError as error:
                log.warning("alert_delivery_failed", error=error.message)
                await asyncio.sleep(MARK_PAUSE)
            else:
                break
        self.count(message.channel, "sent")
        log.info("alert_sent", channel=message.channel, message_id=message.message_id)


@asynccontextmanager
async def run_dispatcher(dispatcher: Dispatcher, grace: float) -> AsyncIterator[None]:
    """Send meanwhile; at the end wait so many seconds for what is under way."""
    task = asyncio.create_task(dispatcher.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        await asyncio.shield(dispatcher.stop(grace))


@asynccontextmanager
async def log_and_continue() -> AsyncIterator[None]:
    """Log what goes wrong: alerts never disturb what they tell of."""
    try:
        yield
    except CadenceSyncError as error:
        log.warning("alert_delivery_failed", error=error.message)
    except Exception as error:  # noqa: BLE001 - see above; its text may hold anything
        log.warning("alert_delivery_failed", error=type(error).__name__)
