"""Hostile requests to a daemon that runs: nothing fails, nothing opens, and the probe is answered all the while."""

import asyncio
import json
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection
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
    """Send bytes and nothing more; returns the status, 0 for none, and what else came."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection, suppress(OSError):
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        received = b"".join(iter(lambda: connection.recv(65536), b""))
        head, _, body = received.partition(b"\r\n\r\n")
        parts = head.split(b" ", 2)
        return (int(parts[1]), body) if len(parts) > 1 and parts[1].isdigit() else (0, received)
    return 0, b""


def idle(port: int, rng: random.Random, ends: float) -> None:
    """Hold connections that send nothing, or a head byte by byte, or read nothing of what they asked for."""
    held: list[socket.socket] = []
    while time.monotonic() < ends:
        with suppress(OSError):
            connection = socket.create_connection(("127.0.0.1", port), timeout=5)
            held.append(connection)
            kind = rng.randrange(3)
            if kind == 1:
                connection.sendall(b"GET / HTTP/1.1\r\nX: ")
            elif kind == 2:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
                connection.sendall(b"GET /login HTTP/1.1\r\nHost: localhost\r\n\r\n" * 50)
        for each in rng.sample(held, len(held) // 20):
            with suppress(OSError):
                each.sendall(b"x")
        if len(held) > 400:
            held.pop(0).close()
    for each in held:
        each.close()


class Watch:
    """The probe's answers, and the files that the daemon has open."""

    def __init__(self, port: int, pid: int) -> None:
        self._port, self._process = port, psutil.Process(pid)
        self.latencies: list[float] = []
        self.files = 0

    def run(self, ends: float) -> None:
        while time.monotonic() < ends:
            began = time.monotonic()
            # Of another address than the attacker's, as an orchestrator is.
            probe = HTTPConnection("127.0.0.1", self._port, timeout=30, source_address=("127.0.0.2", 0))
            with closing(probe):
                probe.request("GET", "/healthz")
                assert probe.getresponse().status == 200
            self.latencies.append(time.monotonic() - began)
            self.files = max(self.files, self._process.num_fds())


@contextmanager
def threads(*work: Callable[[], None]) -> Iterator[None]:
    """Run functions beside the test; what they raise is raised at the end."""
    failures: list[BaseException] = []

    def guarded(each: Callable[[], None]) -> None:
        try:
            each()
        except BaseException as error:  # noqa: BLE001 - raised below
            failures.append(error)

    running = [threading.Thread(target=guarded, args=(each,)) for each in work]
    for thread in running:
        thread.start()
    try:
        yield
    finally:
        for thread in running:
            thread.join()
    if failures:
        raise failures[0]


def attack(port: int, ends: float) -> int:
    """Send requests until the time is over; returns their number."""
    sent = 0

    @settings(max_examples=100, deadline=None, database=None, suppress_health_check=list(HealthCheck))
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
    async with asyncio.timeout(cli.PATIENCE):
        while not await asyncio.to_thread(lambda: answered(port)):
            await asyncio.sleep(0.05)
    ends = time.monotonic() + SECONDS
    watch = Watch(port, process.pid)
    rng = random.Random(7)  # noqa: S311 - repeatable, not secret
    with threads(lambda: watch.run(ends), lambda: idle(port, rng, ends)):
        sent = await asyncio.to_thread(attack, port, ends)
    process.terminate()
    _, errors = await process.communicate()
    events = [json.loads(line) for line in errors.splitlines() if line.startswith(b"{")]
    slowest = max(watch.latencies)
    with capsys.disabled():
        print(  # noqa: T201 - the figures of `make torture-web`
            f"\n{sent} hostile requests in {SECONDS:.0f} s; /healthz {len(watch.latencies)} times,"
            f" at most {slowest * 1000:.0f} ms; at most {watch.files} open files"
        )
    assert process.returncode == 143
    assert sent > 0
    assert watch.files < MOST + SPARE_FILES
    assert [event for event in events if event["event"] in {"web_request_failed", "library"}] == []
    assert LATENCY is None or slowest < float(LATENCY)


def answered(port: int) -> bool:
    return answer(port, b"GET /healthz HTTP/1.0\r\n\r\n")[0] == 200 if is_listening(port) else False


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
