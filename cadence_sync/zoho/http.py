"""One HTTP session for Zoho: time-outs, a cap on bodies, no redirects, and network errors in our words."""

import platform
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp

from cadence_sync import __version__
from cadence_sync.errors import InvalidResponseError, TransientError

USER_AGENT: Final = f"cadence-sync/{__version__} (Python {platform.python_version()}; aiohttp {aiohttp.__version__})"
READ_BUFFER: Final = 2**19
"""Bytes of an answer that may wait to be read: a usual page arrives whole and is read at once."""
CONNECT_TIMEOUT: Final = 10.0
"""Seconds to wait for a connection."""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """An HTTP answer, read to its end."""

    status: int
    body: bytes
    headers: Mapping[str, str]


@dataclass(slots=True)
class Counter:
    """Counts the requests that leave: aiohttp repeats one by itself where a connection is reset."""

    sent: int = 0


class Http:
    """Sends requests and reads whole answers; raises `TransientError` and `InvalidResponseError`."""

    def __init__(self, session: aiohttp.ClientSession, max_body: int) -> None:
        self._session = session
        self._max_body = max_body
        self._counter = Counter()

    @property
    def sent(self) -> int:
        """How many of the requests that are to be counted were sent."""
        return self._counter.sent

    def with_own_counter(self) -> "Http":
        """Return another one on the same session, with a count of its own."""
        return Http(self._session, self._max_body)

    async def request(
        self,
        method: str,
        url: str,
        *,
        counted: bool = False,
        **how: Any,
    ) -> HttpResponse:
        """Send one request, adding it to `sent` if it is to be counted; a body over the cap is refused."""
        try:
            async with self._session.request(
                method, url, allow_redirects=False, trace_request_ctx=self._counter if counted else None, **how
            ) as response:
                body = await self._read(response)
                answer = HttpResponse(response.status, body, response.headers)
        except aiohttp.ClientSSLError as error:
            raise TransientError(
                f"{_host(url)} does not prove by TLS that it is the one it should be.",
                hint="A proxy that opens TLS needs its certificate among this machine's trusted ones (SSL_CERT_FILE).",
                code="TLS_ERROR",
            ) from error
        except aiohttp.ClientConnectorError as error:
            raise TransientError(
                f"There is no connection to {_host(url)}.",
                hint="Check network, DNS and firewall.",
                code="NO_CONNECTION",
            ) from error
        except TimeoutError as error:
            raise TransientError(f"{_host(url)} did not answer in time.", code="TIMEOUT") from error
        except aiohttp.ClientError as error:
            raise TransientError(
                f"The connection to {_host(url)} broke ({type(error).__name__}).", code="CONNECTION_LOST"
            ) from error
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
            if size > self._max_body:
                raise InvalidResponseError(f"The answer is larger than {self._max_body} bytes.", code="BODY_TOO_LARGE")
            chunks.append(chunk)
        return b"".join(chunks)


@asynccontextmanager
async def open_http(timeout: float, max_body: int) -> AsyncIterator[Http]:  # noqa: ASYNC109 - each request's, not this one's
    """Yield a session; `timeout` is in seconds for one answer, `max_body` in bytes."""
    limits = aiohttp.ClientTimeout(total=timeout, connect=min(timeout, CONNECT_TIMEOUT), sock_read=timeout)
    tracing = aiohttp.TraceConfig()
    tracing.on_request_headers_sent.append(_count)
    async with aiohttp.ClientSession(
        timeout=limits,
        headers={"User-Agent": USER_AGENT},
        cookie_jar=aiohttp.DummyCookieJar(),  # one organization's cookies are none of another's business
        connector=aiohttp.TCPConnector(limit=0),  # each organization has a limit of its own
        trace_configs=[tracing],
        read_bufsize=READ_BUFFER,
    ) as session:
        yield Http(session, max_body)


async def _count(_session: object, context: SimpleNamespace, _params: object) -> None:
    """Be told by aiohttp that a request was sent."""
    if context.trace_request_ctx is not None:
        context.trace_request_ctx.sent += 1


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2] or "the server"
