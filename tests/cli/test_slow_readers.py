"""Readers that ask for everything and read nothing: pages, probes and syncs go on as if they were not there."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import asyncpg

from cadence_sync.ports import Org
from tests.cli.conftest import Program
from tests.cli.test_serve import answer, ended, free_port, until_ready
from tests.support import cli
from tests.support.lab import Lab
from tests.support.records import record

READERS = 40
CADENCES = 3_000
NAME = "x" * 4_000
"""Long enough that no buffer on the way holds the whole list."""
OPEN = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name LIKE 'cadence-sync%' AND state LIKE 'idle in transaction%'
"""
SCHEDULED = "SELECT count(*) FROM cadence_sync.sync_runs WHERE trigger = 'schedule' AND outcome = 'succeeded'"
"""The first one of the daemon: a request before its end would only move it ahead."""
REQUESTED = "SELECT count(*) FROM cadence_sync.sync_runs WHERE trigger = 'request' AND outcome = 'succeeded'"


@contextlib.contextmanager
def deaf_readers(port: int) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        readers = []
        for _ in range(READERS):
            reader = stack.enter_context(socket.socket())
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
            reader.connect(("127.0.0.1", port))
            reader.sendall(b"GET /cadences.csv HTTP/1.1\r\nHost: localhost\r\n\r\n")
            reader.setblocking(False)
            readers.append(reader)
        yield readers


def has_begun(reader: socket.socket) -> bool:
    """Whether the file has begun to arrive; it stays unread."""
    with contextlib.suppress(BlockingIOError):
        return reader.recv(12, socket.MSG_PEEK) == b"HTTP/1.1 200"
    return False


async def test_those_who_read_nothing_hold_nothing(program: Program, lab: Lab, database_url: str) -> None:
    await lab.sync(*(record(str(number), name=f"{number} {NAME}") for number in range(CADENCES)), org=Org("bulk", "us"))
    port = free_port()
    process = await program.start("serve", WEB_PORT=str(port), SYNC_INTERVAL="1h")
    await until_ready(port)
    connection = await asyncpg.connect(database_url)

    async def until(statement: str, expected: int) -> None:
        async with asyncio.timeout(cli.PATIENCE):
            while await connection.fetchval(statement) != expected:
                await asyncio.sleep(0.05)

    await until(SCHEDULED, 1)
    with deaf_readers(port) as readers:
        async with asyncio.timeout(cli.PATIENCE):
            while not any(has_begun(reader) for reader in readers):
                await asyncio.sleep(0.05)
        assert (await program.run("sync", "--queue")).code == 0
        await until(REQUESTED, 1)
        for path in ("/", "/cadences", "/readyz", "/healthz"):
            assert (await answer(port, path))[0] == 200, path
        await until(OPEN, 0)
    await until(OPEN, 0)
    await connection.close()
    code, events = await ended(process)
    assert code == 143
    assert [event for event in events if event["level"] == "error"] == []
