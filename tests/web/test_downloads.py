"""Downloads for clients that are slow, gone or too many, and from a database that is busy or goes away."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientError

from cadence_sync.db.engine import PoolSize, open_engine
from cadence_sync.web import downloads
from tests.support.cli import PATIENCE
from tests.support.lab import Lab
from tests.support.records import record
from tests.web.conftest import Open, Site
from tools.paths import DOCS

NAME = "x" * 4_000
CADENCES = 3_000
"""More than all buffers on the way hold."""


@pytest.fixture
async def many(lab: Lab) -> Lab:
    await lab.sync(*(record(str(number), name=NAME) for number in range(CADENCES)))
    return lab


@contextlib.asynccontextmanager
async def deaf(site: Site) -> AsyncIterator[socket.socket]:
    """A client that has the beginning of the file, and reads no more."""
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
        client.setblocking(False)
        await loop.sock_connect(client, ("127.0.0.1", site.client.port))
        await loop.sock_sendall(client, b"GET /cadences.csv HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await loop.sock_recv(client, 12)) == b"HTTP/1.1 200"
        yield client


async def rest(client: socket.socket) -> bytes:
    loop, found = asyncio.get_running_loop(), b""
    with contextlib.suppress(ConnectionResetError):
        async with asyncio.timeout(PATIENCE):
            while data := await loop.sock_recv(client, 2**20):
                found += data
    return found


@pytest.mark.usefixtures("many")
async def test_a_few_at_once_and_the_others_later(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cadence_sync.web.app.AT_ONCE", 1)
    monkeypatch.setattr("cadence_sync.web.downloads.PATIENCE", 0.05)
    site = await opened()
    async with deaf(site):
        for path in ("/cadences.csv", "/past.csv?on=2026-01-05"):
            refused = await site.get(path)
            assert (refused.status, refused.headers["Retry-After"]) == (503, "30"), path
        assert (await site.get("/cadences")).status == 200


@pytest.mark.usefixtures("many")
async def test_a_client_that_reads_nothing_gives_way(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cadence_sync.web.app.AT_ONCE", 1)
    monkeypatch.setattr("cadence_sync.web.downloads.PATIENCE", PATIENCE)
    monkeypatch.setattr("cadence_sync.web.downloads.CHUNK_TIMEOUT", 3)
    site = await opened()
    async with deaf(site) as client:
        assert len((await site.text("/cadences.csv")).splitlines()) == CADENCES + 1
        assert not (await rest(client)).endswith(b"\r\n0\r\n\r\n"), "its file is not a whole one"


@pytest.mark.usefixtures("many")
async def test_a_file_that_cannot_be_finished_is_cut_off(site: Site, lab: Lab) -> None:
    response = await site.get("/cadences.csv")
    assert response.status == 200
    await lab.execute("ALTER TABLE cadence_sync.cadences RENAME TO away")
    with pytest.raises(ClientError):
        await response.read()


@pytest.mark.usefixtures("many")
async def test_a_client_that_hangs_up_is_no_defect(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    async with deaf(site):
        pass
    assert len((await site.text("/cadences.csv")).splitlines()) == CADENCES + 1
    assert "Traceback" not in capsys.readouterr().err


async def test_a_busy_pool_is_told_from_a_defect(opened: Open, lab: Lab, database_url: str) -> None:
    await lab.sync(record("1"))
    async with open_engine(database_url, PoolSize(1, 1, timeout=0.1)) as own:
        lab.engine, before = own, lab.engine
        site = await opened()
        lab.engine = before
        async with own.connect():
            for path in ("/", "/cadences", "/cadences.csv", "/changes.atom"):
                response = await site.get(path)
                assert (response.status, response.headers["Retry-After"]) == (503, "10"), path
        assert (await site.get("/cadences.csv")).status == 200


@pytest.mark.parametrize(
    "figure",
    [
        f"waits {downloads.PATIENCE:g} seconds for its turn",
        f"more than {downloads.CHUNK_TIMEOUT:g} seconds to read {downloads.CHUNK // 1024} KB",
        f"or {downloads.TIMEOUT / 60:g} minutes for the file",
    ],
)
def test_the_page_on_http_has_the_figures_of_the_code(figure: str) -> None:
    assert figure in (DOCS / "reference/http.md").read_text(encoding="utf-8")
