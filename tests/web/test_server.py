"""The server: bounds on connections, TLS, and who may read the metrics."""

import asyncio
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from cadence_sync.config.settings import Settings
from cadence_sync.errors import SettingsError
from cadence_sync.web import connections, server, tls
from cadence_sync.web.connections import Bounds
from cadence_sync.web.server import CONNECTIONS, Listener, Probes, serving

HOST = "127.0.0.1"
HEAD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
DAY = timedelta(days=1)


async def ready() -> None:
    return None


async def figures() -> bytes:
    return b"a 1\n"


async def large(_request: web.Request) -> web.Response:
    return web.Response(body=bytes(64 * 2**20))


Serve = Callable[..., Any]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """What serves probes and a large page, and yields the port and the application."""
    async with AsyncExitStack() as stack:

        async def started(listener: Listener | None = None, **probes: Any) -> tuple[int, web.Application]:
            app = web.Application()
            app.router.add_get("/large", large)
            listener = listener or Listener(HOST, 0, "PORT")
            port = await stack.enter_async_context(
                serving(listener, Probes(ready, figures, lambda: None, **probes), app)
            )
            return port, app

        yield started


async def opened(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(HOST, port)


async def status(port: int, path: str = "/healthz", **how: Any) -> int:
    scheme = "https" if "ssl" in how else "http"
    async with aiohttp.ClientSession() as session, session.get(f"{scheme}://{HOST}:{port}{path}", **how) as response:
        await response.read()
        return response.status


async def is_closed(reader: asyncio.StreamReader) -> bool:
    async with asyncio.timeout(30):
        try:
            return await reader.read() == b""
        except ConnectionResetError:
            return True


@pytest.mark.parametrize("sent", [b"", b"G", HEAD, b"\r\n"])
async def test_a_head_that_does_not_come_is_not_waited_for(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.2)
    monkeypatch.setattr(connections, "_SWEEP", 0.05)
    port, _ = await serve()
    reader, writer = await opened(port)
    writer.write(sent)
    assert await is_closed(reader)
    writer.close()
    assert await status(port) == 200


async def test_the_head_of_a_later_request_has_a_deadline_too(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.2)
    monkeypatch.setattr(connections, "_SWEEP", 0.05)
    port, _ = await serve()
    reader, writer = await opened(port)
    writer.write(HEAD + b"\r\n")
    assert (await reader.readline()).split()[1] == b"200"
    writer.write(b"GET /heal")
    await is_closed(reader)
    assert reader.at_eof()
    writer.close()


async def test_a_client_that_reads_nothing_is_dropped(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "STALLED_SECONDS", 0.2)
    monkeypatch.setattr(connections, "_SWEEP", 0.05)
    port, app = await serve()
    with socket.socket() as rude:
        rude.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        rude.setblocking(False)
        await asyncio.get_running_loop().sock_connect(rude, (HOST, port))
        await asyncio.get_running_loop().sock_sendall(rude, b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
        async with asyncio.timeout(30):
            while not len(app[CONNECTIONS]):
                await asyncio.sleep(0)
            while len(app[CONNECTIONS]):
                await asyncio.sleep(0.05)
    assert await status(port, "/large") == 200


@pytest.mark.parametrize(("bounds", "exempt"), [(Bounds(8, 100), False), (Bounds(100, 8), False), (Bounds(8, 4), True)])
async def test_idle_connections_make_room_for_new_ones(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, bounds: Bounds, exempt: bool
) -> None:
    monkeypatch.setattr(server, "raise_file_limit", lambda: bounds)
    port, app = await serve()
    app[CONNECTIONS].is_exempt = lambda _: exempt
    async with AsyncExitStack() as stack:
        readers = []
        for _ in range(20):
            reader, writer = await opened(port)
            stack.callback(writer.close)
            readers.append(reader)
            assert await status(port) == 200
        assert len(app[CONNECTIONS]) <= 8
        assert await is_closed(readers[0])
        assert not readers[-1].at_eof()


async def test_where_all_are_busy_the_newest_goes(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "raise_file_limit", lambda: Bounds(3, 3))
    port, app = await serve()
    async with AsyncExitStack() as stack:
        for _ in range(3):
            reader, writer = await opened(port)
            stack.callback(writer.close)
            writer.write(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await reader.readline()
        reader, writer = await opened(port)
        stack.callback(writer.close)
        assert await is_closed(reader)
        assert len(app[CONNECTIONS]) == 3


async def test_a_request_under_way_is_answered_when_the_server_stops() -> None:
    begun, free = asyncio.Event(), asyncio.Event()

    async def slow(_request: web.Request) -> web.Response:
        begun.set()
        await free.wait()
        return web.Response(text="done")

    app = web.Application()
    app.router.add_get("/slow", slow)
    answers = Probes(ready, figures, lambda: None)
    async with aiohttp.ClientSession() as session, AsyncExitStack() as stack:
        port = await stack.enter_async_context(serving(Listener(HOST, 0, "PORT"), answers, app))
        asked = asyncio.create_task(session.get(f"http://{HOST}:{port}/slow"))
        await begun.wait()
        stopped = asyncio.create_task(stack.aclose())
        await asyncio.sleep(0)
        free.set()
        assert await (await asked).text() == "done"
        await stopped


@pytest.mark.process
async def test_few_files_are_enough() -> None:
    """As many idle connections as there may be open files shut nobody out, and the log stays short."""
    program = """if True:
        import asyncio, resource, sys
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
        from cadence_sync.web.server import Listener, Probes, serving
        async def main():
            async with serving(Listener("127.0.0.1", 0, "PORT"), Probes(None, None, lambda: None)) as port:
                print(port, flush=True)
                await asyncio.to_thread(sys.stdin.read)
        asyncio.run(main())
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    port = int(await process.stdout.readline())
    async with AsyncExitStack() as stack:
        for _ in range(300):
            _, writer = await opened(port)
            stack.callback(writer.close)
        assert await status(port) == 200
    _, errors = await process.communicate(b"")
    assert (process.returncode, len(errors)) == (0, 0)


async def test_the_metrics_ask_for_their_token(serve: Serve) -> None:
    port, _ = await serve(metrics_token="m" * 16)
    assert await status(port, "/metrics") == 401
    for given in ("Bearer x", "Bearer", f"Basic {'m' * 16}", "m" * 16):
        assert await status(port, "/metrics", headers={"Authorization": given}) == 401
    assert await status(port, "/metrics", headers={"Authorization": f"Bearer {'m' * 16}"}) == 200
    assert await status(port) == 200


def write_certificate(folder: Path, name: str) -> tuple[Path, Path, bytes]:
    """Make a self-signed certificate for loopback; return its files and its serial number as DER."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)  # noqa: TID251 - a certificate is valid in the machine's own time
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + DAY)
        .sign(key, hashes.SHA256())
    )
    files = folder / "certificate.pem", folder / "key.pem"
    pem = serialization.Encoding.PEM
    files[0].write_bytes(certificate.public_bytes(pem))
    plain = serialization.NoEncryption()
    files[1].write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    return *files, certificate.public_bytes(serialization.Encoding.DER)


async def served_certificate(port: int) -> bytes:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection(HOST, port, ssl=context)
    found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return bytes(found)


async def test_a_renewed_certificate_is_taken_up(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls, "_CHECK", 0.05)
    certificate, key, first = write_certificate(tmp_path, "first")
    settings = Settings(web_port=0, web_tls_certificate=certificate, web_tls_key=key)
    port, _ = await serve(Listener.of(settings))
    assert await served_certificate(port) == first
    assert await status(port, ssl=False) == 200
    _, _, second = write_certificate(tmp_path, "second")
    os.utime(certificate, (1, 1))
    async with asyncio.timeout(30):
        while await served_certificate(port) != second:
            await asyncio.sleep(0.05)


async def test_a_certificate_without_its_key_leaves_the_former_in_use(tmp_path: Path, serve: Serve) -> None:
    certificate, key, first = write_certificate(tmp_path, "first")
    (tmp_path / "other").mkdir()
    other, _, _ = write_certificate(tmp_path / "other", "second")
    listener = Listener.of(Settings(web_port=0, web_tls_certificate=certificate, web_tls_key=key))
    port, _ = await serve(listener)
    certificate.write_bytes(other.read_bytes())  # as between the two files of a renewal
    assert listener.certificate is not None
    with pytest.raises(ssl.SSLError):
        listener.certificate.load()
    assert await served_certificate(port) == first


def test_a_key_with_a_passphrase_asks_nobody(tmp_path: Path) -> None:
    certificate, key, _ = write_certificate(tmp_path, "one")
    plain = serialization.load_pem_private_key(key.read_bytes(), None)
    locked = serialization.BestAvailableEncryption(b"secret")
    key.write_bytes(plain.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked))
    with pytest.raises(SettingsError):
        Listener.of(Settings(web_tls_certificate=certificate, web_tls_key=key))


def test_a_certificate_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    certificate, _, _ = write_certificate(tmp_path, "one")
    (tmp_path / "other").mkdir()
    _, other, _ = write_certificate(tmp_path / "other", "two")
    for files in (
        {"web_tls_certificate": tmp_path / "missing.pem"},
        {"web_tls_certificate": certificate},
        {"web_tls_certificate": certificate, "web_tls_key": other},
    ):
        with pytest.raises(SettingsError):
            Listener.of(Settings(**files))  # type: ignore[arg-type]
