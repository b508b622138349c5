import asyncio
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cadence_sync.daemon.systemd import READY, STOPPING, WATCHDOG, notify, watchdog, watchdog_seconds

MILLISECOND = 1_000


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(params=["file", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The service manager's end, named in the environment as systemd names it."""
    path = str(tmp_path / "notify") if request.param == "file" else f"@cadence-sync-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(path.replace("@", "\0", 1) if path.startswith("@") else path)
        receiver.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        yield receiver


def heard(manager: socket.socket) -> list[bytes]:
    manager.setblocking(False)
    messages = []
    while True:
        try:
            messages.append(manager.recv(1024))
        except BlockingIOError:
            return messages


def test_messages_arrive_as_one_datagram_each(manager: socket.socket) -> None:
    assert notify(READY, "STATUS=3 organizations")
    assert notify(STOPPING)
    assert heard(manager) == [b"READY=1\nSTATUS=3 organizations", b"STOPPING=1"]


async def test_the_watchdog_is_fed_at_half_its_time(manager: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", str(200 * MILLISECOND))
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(watchdog(lambda: True), 0.35)
    messages = heard(manager)
    assert set(messages) == {WATCHDOG.encode()}
    assert 2 <= len(messages) <= 4


async def test_it_starves_while_the_loop_stands_still(manager: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", str(40 * MILLISECOND))
    task = asyncio.create_task(watchdog(lambda: True))
    await asyncio.sleep(0.05)
    assert heard(manager)
    time.sleep(0.2)  # noqa: TID251 - it is the loop that must not turn
    assert heard(manager) == []
    await asyncio.sleep(0.1)
    assert heard(manager)
    task.cancel()


async def test_it_starves_while_the_process_is_stuck(manager: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", str(2 * MILLISECOND))
    looks, looked = 0, asyncio.Event()

    def is_alive() -> bool:
        nonlocal looks
        looks += 1
        if looks == 10:
            looked.set()
        return looks <= 3

    task = asyncio.create_task(watchdog(is_alive))
    async with asyncio.timeout(5):
        await looked.wait()
    assert len(heard(manager)) == 3
    task.cancel()


async def test_without_a_service_manager_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not notify(READY)
    monkeypatch.setenv("WATCHDOG_USEC", str(MILLISECOND))
    await asyncio.wait_for(watchdog(lambda: True), 1)


@pytest.mark.parametrize("address", ["", "relative", "vsock:2:1234"])
def test_addresses_of_other_kinds_are_left_alone(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    assert not notify(READY)


def test_a_manager_that_has_gone_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    assert not notify(READY)


@pytest.mark.parametrize(
    ("microseconds", "process", "seconds"),
    [
        ("60000000", "mine", 30),
        ("60000000", "", 30),
        ("60000000", "1", None),  # meant for a parent
        ("0", "", None),
        ("", "", None),
        ("-5", "", None),
        ("many", "", None),
        ("²", "", None),
    ],
)
def test_who_is_asked_and_how_often(
    microseconds: str, process: str, seconds: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", microseconds)
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()) if process == "mine" else process)
    assert watchdog_seconds() == seconds
