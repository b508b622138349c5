"""Running a command's coroutine so that SIGTERM ends it as Ctrl-C does: by canceling it, once."""

import asyncio
import gc
import signal
import sys
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")
_BY_SIGNAL = 128


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, or leave with 128 + the signal's number once it has cleaned up."""
    received: list[int] = []
    gc.freeze()  # all that was imported until now
    gc.enable()

    async def guarded() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()

        def stop(number: int) -> None:
            if task is not None and not received:
                task.cancel()
            received.append(number)

        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(NotImplementedError):  # Windows has no such handlers
                loop.add_signal_handler(number, stop, number)
        return await work

    try:
        return asyncio.run(guarded())
    except asyncio.CancelledError:
        if received[:1] == [signal.SIGINT] and sys.stderr is not None and sys.stderr.isatty():
            print(file=sys.stderr)  # after the ^C that the terminal shows
        sys.exit(_BY_SIGNAL + (received[0] if received else signal.SIGTERM))
