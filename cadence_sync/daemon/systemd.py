"""Notifies systemd of a service of `Type=notify`: ready, alive, stopping (sd_notify(3)).

The protocol is one datagram. The libraries for it are wrappers of the same size that know no event loop, or need
libsystemd.
"""

import asyncio
import os
import socket
from collections.abc import Callable
from typing import Final

from cadence_sync.logs import log

READY: Final = "READY=1"
STOPPING: Final = "STOPPING=1"
WATCHDOG: Final = "WATCHDOG=1"


def notify(*lines: str) -> bool:
    """Notifies the service manager, if there is one; returns whether it was reached, and never raises."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    if address.startswith("@"):  # an abstract socket: it has no file
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(1)  # where systemd's queue is full: a lost `READY=1` would cost the whole start
            sender.sendto("\n".join(lines).encode(), address)
    except OSError as error:
        log.warning("service_manager_notify_failed", message=" ".join(lines), error=str(error))
        return False
    return True


def watchdog_seconds() -> float | None:
    """Returns the time between two pings: half of `WatchdogSec=`; None without a watchdog."""
    timeout, meant_for = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if not timeout.isascii() or not timeout.isdigit() or int(timeout) == 0 or meant_for not in ("", str(os.getpid())):
        return None
    return int(timeout) / 2 / 1_000_000


async def watchdog(is_alive: Callable[[], bool]) -> None:
    """Pings while the event loop turns and the process works, until canceled; returns at once without a watchdog."""
    seconds = watchdog_seconds()
    if seconds is None or not os.environ.get("NOTIFY_SOCKET"):
        return
    while True:
        if is_alive():
            notify(WATCHDOG)
        await asyncio.sleep(seconds)
