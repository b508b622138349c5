"""Hostile requests to a daemon that runs: nothing fails, nothing opens, and the probe is answered all the while."""

import asyncio
import json
import os
import random
import socket
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse
from multiprocessing import get_context
from pathlib import Path

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cadence_sync.web.connections import MOST
from tests.support import cli

SECONDS = float(os.environ.get("CADENCE_SYNC_TORTURE_WEB_SECONDS", "1"))
LATENCY = os.environ.get("CADENCE_SYNC_TORTURE_WEB_LATENCY")
"""Seconds that an answer of the probe may take; unset in the tests that run on any machine."""
TOKEN = "a-token-of-some-length"
ANONYMOUS = {"/healthz", "/readyz", "/metrics", "/login"}
"""Paths that anybody may read; static files, too."""
SPARE_FILES = 300
CONNECTIONS_PER_SECOND = 50

_PATHS = [
    *("/", "/login", "/logout", "/healthz", "/readyz", "/metrics", "/cadences", "/cadences.csv", "/changes.atom"),
    *("/past?on=2026-03-01", "/past.csv", "/runs/1", "/runs/1/approve", "/organization/sync", "/audit", "/time-zone"),
    *("/static/style.css", "/static/../../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//evil.example/", "*", "/\x00"),
    *("/cadences/default/1/versions?old=1&new=2", "/changes?after=%ff", "/past?on=9999999-01-01", "http://x/"),
]
_HEADERS = [
    "Host: localhost",
    "Host: evil.example",
    "Host:",
    f"Authorization: Bearer {TOKEN}x",
    "Authorization: Bearer \udcff",
    "Authorization: Basic eA==",
    "Cookie: cadence_sync=" + "A" * 43,
    "Cookie: " + "a=b; " * 500,
    "Content-Type: application/x-www-form-urlencoded; charset=punycode",
    "Content-Type: application/x-www-form-urlencoded",
    "Content-Type: multipart/form-data; boundary=x",
    "Content-Encoding: deflate",
    "Transfer-Encoding: chunked",
    "Expect: 100-continue",
    "X-Forwarded-For: 127.0.0.1",
    "X-Forwarded-User: admin",
    "Sec-Fetch-Site: cross-site",
    "Origin: https://evil.example",
    "Upgrade: websocket",
    "Connection: close",
    "Range: bytes=0-1",
    "X: " + "x" * 7000,
    "\x00",
]
requests = st.builds(
    lambda method, path, version, headers, body, length: (
        path,
        "\r\n".join(
            [f"{method} {path} {version}", *headers, *([] if length is None else [f"Content-Length: {length}"]), "", ""]
        ).encode(errors="surrogateescape")
        + body,
    ),
    st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PRI", "G\x00T", ""]),
    st.one_of(st.sampled_from(_PATHS), st.text(max_size=60).map(lambda text: f"/{text}")),
    st.sampled_from(["HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/9", ""]),
    st.lists(st.sampled_from(_HEADERS), max_size=8),
    st.binary(max_size=3000),
    st.one_of(st.none(), st.integers(0, 70_000), st.just(-1), st.just(10**30)),
)


def answer(port: int, sent: bytes) -> tuple[int, bytes]:
    """Send bytes and nothing more; returns the status, 0 for none within a second, and the body."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(sent)
            # What `http.client` expects no body after, for a method that it does not know either.
            response = HTTPResponse(connection, method="HEAD" if sent.startswith(b"HEAD ") else "GET")
            response.begin()
            return response.status, response.read()
    except (OSError, HTTPException):
        return 0, b""


def idle(port: int, seconds: float) -> None:
    """Hold connections that send nothing, or a head byte by byte, or read nothing of what they asked for."""
    rng = random.Random(7)  # noqa: S311 - repeatable, not secret
    held: list[socket.socket] = []
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        time.sleep(1 / CONNECTIONS_PER_SECOND)  # noqa: TID251 - in a process of its own
        with suppress(OSError):
            connection = socket.create_connection(("127.0.0.1", port), timeout=5)
            held.append(connection)
            kind = rng.randrange(3)
            if kind == 1:
                connection.sendall(b"GET / HTTP/1.1\r\nX: ")
            elif kind == 2:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
                connection.sendall(b"GET /login HTTP/1.1\r\nHost: localhost\r\n\r\n" * 10)
        for each in rng.sample(held, len(held) // 20):
            with suppress(OSError):
                each.sendall(b"x")
        if len(held) > 400:
            held.pop(0).close()
    for each in held:
        each.close()


def watch(port: int, pid: int, seconds: float) -> tuple[list[float], int]:
    """Ask the probe; returns how long its answers took, and the most files that the daemon had open."""
    daemon, latencies, files = psutil.Process(pid), list[float](), 0
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        began = time.monotonic()
        # Of another address than the attacker's, as an orchestrator is.
        probe = HTTPConnection("127.0.0.1", port, timeout=30, source_address=("127.0.0.2", 0))
        with closing(probe):
            probe.request("GET", "/healthz")
            assert probe.getresponse().status == 200
        latencies.append(time.monotonic() - began)
        files = max(files, daemon.num_fds())
        time.sleep(0.02)  # noqa: TID251 - in a process of its own
    return latencies, files


def attack(port: int, ends: float) -> int:
    """Send requests until the time is over; returns their number."""
    sent = 0

    @settings(
        max_examples=100,
        deadline=None,
        database=None,
        derandomize=LATENCY is None,
        suppress_health_check=list(HealthCheck),
    )
    @given(requests)
    def send(request: tuple[str, bytes]) -> None:
        nonlocal sent
        path, raw = request
        status, body = answer(port, raw)
        sent += 1
        assert status < 500, (status, body[:500])
        is_free = path.partition("?")[0] in ANONYMOUS or path.startswith("/static/")
        assert status != 200 or is_free or b'name="token"' in body, (path, body[:500])
        assert b"<h1>Overview" not in body

    while time.monotonic() < ends:
        send()
    return sent


async def test_hostile_requests_open_nothing_and_stop_nothing(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    own = cli.zoho_settings("http://127.0.0.1:9", DATABASE_URL=database_url, WEB_PORT=str(port), WEB_TOKEN=TOKEN)
    process = await cli.start("serve", cwd=tmp_path, **own)
    try:
        async with asyncio.timeout(cli.PATIENCE):
            while (await asyncio.to_thread(answer, port, b"GET /healthz HTTP/1.0\r\n\r\n"))[0] != 200:
                await asyncio.sleep(0.05)
        # In processes of their own, which do not wait for each other's interpreter.
        with ProcessPoolExecutor(2, get_context("spawn")) as pool:
            watching, idling = pool.submit(watch, port, process.pid, SECONDS), pool.submit(idle, port, SECONDS)
            sent = await asyncio.to_thread(attack, port, time.monotonic() + SECONDS)
            latencies, files = await asyncio.wrap_future(watching)
            await asyncio.wrap_future(idling)
    finally:
        process.terminate()
        _, errors = await process.communicate()
    events = [json.loads(line) for line in errors.splitlines() if line.startswith(b"{")]
    slowest = max(latencies)
    with capsys.disabled():
        print(  # noqa: T201 - the figures of `make torture-web`
            f"\n{sent} hostile requests in {SECONDS:.0f} s; /healthz {len(latencies)} times,"
            f" at most {slowest * 1000:.0f} ms; at most {files} open files"
        )
    assert process.returncode == 143
    assert sent > 0
    assert files < MOST + SPARE_FILES
    assert [event for event in events if event["event"] in {"web_request_failed", "library"}] == []
    assert LATENCY is None or slowest < float(LATENCY)
