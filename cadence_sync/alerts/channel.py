"""What sends a message: one sender a channel."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Thread
from typing import Final, Protocol, TypeVar

from cadence_sync.alerts.events import AlertEvent
from cadence_sync.errors import TransientError

HINT: Final = "It is tried again later; `cadence-sync alerts test` tries the channel at once."


class Channel(Protocol):
    """One channel."""

    @property
    def kind(self) -> str:
        """What it is, without anything secret."""
        ...

    async def send(self, message_id: str, alerts: Sequence[AlertEvent]) -> None:
        """Hand a message over, and return when nothing of it is under way any more, however long that takes.

        Raises `TransientError` where it was not taken, or nobody knows.
        """
        ...


def not_sent(why: str, retry_after: float | None = None) -> TransientError:
    """Return the error of a message that was not taken; `why` is ours, never the receiver's text."""
    return TransientError(why, hint=HINT, code="ALERT_NOT_SENT", retry_after=retry_after)


T = TypeVar("T")


async def run_in_daemon_thread(name: str, work: Callable[[], T]) -> T:
    """Return what comes of it when the thread has ended; whoever stops waiting leaves it running."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[T] = loop.create_future()

    def tell(result: T | None, error: Exception | None) -> None:
        if ended.cancelled():
            return
        if error is not None:
            ended.set_exception(error)
        else:
            ended.set_result(result)  # type: ignore[arg-type]  # what `work` returned

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except Exception as caught:  # noqa: BLE001 - raised where it is waited for
            error = caught
        except BaseException as caught:  # noqa: BLE001 - what would end the process, as `sys.exit`, ends a message
            error = RuntimeError(type(caught).__name__)
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(tell, result, error)

    # A daemon: threads of an executor would be waited for when the process ends.
    Thread(target=run, name=name, daemon=True).start()
    return await ended
