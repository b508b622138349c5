"""The HTTP session for Zoho: time-outs, a limit on bodies, no redirects, translated network errors."""

import platform
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp

from cadence_sync import __version__
from cadence_sync.errors import InvalidResponseError, TransientError

USER_AGENT: Final = f"cadence-sync/{__version__} (Python {platform.python_version()}; aiohttp {aiohttp.__version__})"


@dataclass(frozen=True, slots=True)
class HttpResponse:
    status: int
    body: bytes
    headers: Mapping[str, str]


_NETWORK_ERRORS: Final[tuple[tuple[type[Exception], str, str, str], ...]] = (
    (
        aiohttp.ClientSSLError,
        "TLS_ERROR",
        "{host} does not prove by TLS that it is the one it should be.",
        "A proxy that opens TLS needs its certificate among this machine's trusted ones (SSL_CERT_FILE).",
    ),
    (
        aiohttp.ClientConnectorError,
        "NO_CONNECTION",
        "There is no connection to {host}.",
        "Check network, DNS and firewall.",
    ),
    (TimeoutError, "TIMEOUT", "{host} did not answer in time.", ""),
    (aiohttp.ClientError, "CONNECTION_LOST", "The connection to {host} broke ({error}).", ""),
)
"""The first class that fits decides: code, message, hint."""


@dataclass(slots=True)
class Counter:
    """Counts the requests sent: aiohttp itself repeats one after a connection reset."""

    sent: int = 0


@dataclass(frozen=True, slots=True)
class Http:
    """Sends requests and reads whole responses; raises `TransientError` and `InvalidResponseError`."""

    session: aiohttp.ClientSession
    max_body: int
    counter: Counter = field(default_factory=Counter)

    def with_own_counter(self) -> "Http":
        return Http(self.session, self.max_body)

    async def request(self, method: str, url: str, *, counted: bool = False, **options: Any) -> HttpResponse:
        counter = self.counter if counted else None
        try:
            async with self.session.request(
                method, url, allow_redirects=False, trace_request_ctx=counter, **options
            ) as response:
                answer = HttpResponse(response.status, await self._read(response), response.headers)
        except (aiohttp.ClientError, TimeoutError) as error:
            code, message, hint = next(entry[1:] for entry in _NETWORK_ERRORS if isinstance(error, entry[0]))
            message = message.format(host=_host(url), error=type(error).__name__)
            raise TransientError(message, hint=hint, code=code) from error
        if 300 <= answer.status < 400:  # noqa: PLR2004 - redirects
            raise InvalidResponseError(
                f"{_host(url)} redirects elsewhere; credentials are not sent there.",
                hint="Check the data center and the API address.",
                code="REDIRECT",
            )
        return answer

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        chunks, size = [], 0
        async for chunk in response.content.iter_any():
            size += len(chunk)
            if size > self.max_body:
                raise InvalidResponseError(f"The answer is larger than {self.max_body} bytes.", code="BODY_TOO_LARGE")
            chunks.append(chunk)
        return b"".join(chunks)


@asynccontextmanager
async def open_http(timeout: float, max_body: int) -> AsyncIterator[Http]:  # noqa: ASYNC109 - each request's, not this one's
    """Yields a session; `timeout` is in seconds for one response, `max_body` in bytes."""
    limits = aiohttp.ClientTimeout(total=timeout, connect=min(timeout, 10), sock_read=timeout)
    tracing = aiohttp.TraceConfig()
    tracing.on_request_headers_sent.append(_count)
    async with aiohttp.ClientSession(
        timeout=limits,
        headers={"User-Agent": USER_AGENT},
        cookie_jar=aiohttp.DummyCookieJar(),  # cookies must not pass between organizations
        connector=aiohttp.TCPConnector(limit=0),  # each organization has its own limit
        trace_configs=[tracing],
        read_bufsize=2**19,  # a usual page arrives whole and is read at once
    ) as session:
        yield Http(session, max_body)


async def _count(_session: object, context: SimpleNamespace, _params: object) -> None:
    if context.trace_request_ctx is not None:
        context.trace_request_ctx.sent += 1


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2] or "the server"
