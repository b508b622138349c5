"""Work that blocks, in a thread of its own: one that hangs keeps no other waiting, and no process from ending."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import TypeVar

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
