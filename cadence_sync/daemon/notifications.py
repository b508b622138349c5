"""Notifications of the queue, which every role of the database can send: what a stranger sends only wakes a worker."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Final

from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.domain.models import AnyEvent, HealthCheckEvent, TableChangedEvent
from pgqueuer.ports.driver import NotifyCallback
from pydantic import ValidationError

from cadence_sync.logs import log

WAKE_PAUSE: Final = 0.1
"""Seconds between two events that wake a worker: it looks for jobs after each, and keeps those that it has not met."""
WARNING_PAUSE: Final = 60.0
"""Seconds between two warnings."""


@dataclass(unsafe_hash=True)
class EventFilter:
    """Passes on that jobs may have come, and answers of health checks, which PgQueuer compares with its questions.

    Nothing here cancels a job: an event that does so is not ours.
    """

    callback: NotifyCallback
    _warned_at: float | None = field(default=None, compare=False)
    _woke_at: float = field(default=float("-inf"), compare=False)
    _is_waking: bool = field(default=False, compare=False)

    def __call__(self, payload: str | bytes | bytearray) -> None:
        try:
            event = AnyEvent.model_validate_json(payload).root
        except ValidationError:
            event = None
        match event:
            case TableChangedEvent():
                self._wake(payload)
            case HealthCheckEvent():
                self.callback(payload)
            case _:
                self._warn()

    def _wake(self, payload: str | bytes | bytearray) -> None:
        if not self._is_waking:
            self._is_waking = True
            pause = self._woke_at + WAKE_PAUSE - time.monotonic()
            asyncio.get_running_loop().call_later(max(0.0, pause), self._pass_on, payload)

    def _pass_on(self, payload: str | bytes | bytearray) -> None:
        self._is_waking, self._woke_at = False, time.monotonic()
        self.callback(payload)

    def _warn(self) -> None:
        now = time.monotonic()
        if self._warned_at is None or now - self._warned_at >= WARNING_PAUSE:
            self._warned_at = now
            log.warning("notification_ignored", hint="Another role of the database sends to the queue's channel.")


class FilteringDriver(AsyncpgDriver):
    async def add_listener(self, channel: str, callback: NotifyCallback) -> None:
        await super().add_listener(channel, EventFilter(callback))

    async def remove_listener(self, channel: str, callback: NotifyCallback) -> None:
        await super().remove_listener(channel, EventFilter(callback))
