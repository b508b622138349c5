"""The protocol of channels, and a thread for their blocking work."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Thread
from typing import Protocol

from cadence_sync.alerts.events import AlertEvent
from cadence_sync.errors import TransientError


class Channel(Protocol):
    @property
    def kind(self) -> str:
        """The service, such as `webhook` or `slack`; never a secret."""

    async def send(self, message_id: str, alerts: Sequence[AlertEvent]) -> None:
        """Delivers a message; returns when none of it is under way any more, however long that takes.

        Raises `TransientError` where the receiver refused it, or where its answer is unknown.
        """


@dataclass(frozen=True, slots=True)
class NamelessChannel:
    """A channel whose messages name no people."""

    inner: Channel

    @property
    def kind(self) -> str:
        return self.inner.kind

    async def send(self, message_id: str, alerts: Sequence[AlertEvent]) -> None:
        await self.inner.send(message_id, [alert.without_names() for alert in alerts])


def not_sent(why: str, retry_after: float | None = None) -> TransientError:
    """Returns the error of a failed delivery; `why` is our own text, since a receiver's may hold secrets."""
    hint = "It is tried again later; `cadence-sync alerts test` tries the channel at once."
    return TransientError(why, hint=hint, code="ALERT_NOT_SENT", retry_after=retry_after)


async def run_in_daemon_thread(name: str, work: Callable[[], None]) -> None:
    """Awaits blocking work; cancelling abandons the thread, which delays neither other work nor shutdown."""
    done: Future[None] = Future()
    done.set_running_or_notify_cancel()  # an abandoned thread may still set its result

    def run() -> None:
        try:
            work()
            done.set_result(None)
        except BaseException as error:  # noqa: BLE001 - raised where the result is awaited
            # What would end the process, such as `sys.exit`, fails the message only.
            done.set_exception(error if isinstance(error, Exception) else RuntimeError(type(error).__name__))

    # A thread of an executor would delay the end of the process.
    Thread(target=run, name=name, daemon=True).start()
    await asyncio.wrap_future(done)
