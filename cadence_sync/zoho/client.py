"""The client of the list endpoint: authorized, counted, retried within bounds, with an adaptive concurrency limit."""

import asyncio
import random
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, TypeVar
from urllib.parse import quote

import stamina

from cadence_sync.core.decode import decode_page, listed_ids
from cadence_sync.core.digest_index import DigestIndex
from cadence_sync.core.records import Page
from cadence_sync.errors import BudgetError, CadenceSyncError, InvalidResponseError, TransientError
from cadence_sync.logs import log
from cadence_sync.ports import AccessToken
from cadence_sync.zoho.errors import error_code, error_from_response, parse_retry_after
from cadence_sync.zoho.http import Http, HttpResponse
from cadence_sync.zoho.oauth import Auth

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 30.0
"""Seconds: the longest pause before the second attempt, and before any."""
T = TypeVar("T")
PATH: Final = "/crm/{version}/settings/automation/cadences"
_OK, _EMPTY, _UNAUTHORIZED, _TOO_MANY = 200, 204, 401, 429


class Limiter:
    """Admits 1 to `most` requests at once: additive increase, multiplicative decrease, as in TCP.

    Zoho allows 5 to 25 concurrent calls per organization, depending on its edition, and counts those of other programs
    too, so the right number cannot be known beforehand.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._limit = float(most)
        self._inside = 0
        self._changed = asyncio.Condition()

    @property
    def limit(self) -> int:
        return int(self._limit)

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        async with self._changed:
            await self._changed.wait_for(lambda: self._inside < self.limit)
            self._inside += 1
        try:
            yield
        finally:
            async with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    def refused(self) -> None:
        self._limit = max(1.0, self._limit / 2)

    def succeeded(self) -> None:
        """Raises the limit by one for every full round of responses."""
        self._limit = min(float(self._most), self._limit + 1 / self._limit)


@dataclass(slots=True)
class Client:
    http: Http
    auth: Auth
    version: str
    attempts: int
    limiter: Limiter
    allowance: int | None = None
    credits_left: int | None = None
    """By Zoho's last answer; it reports them once half are used."""
    date: str | None = None
    _gave_up: bool = False
    _reserved: int = 0

    async def page(self, number: int, per_page: int | None, index: DigestIndex) -> Page:
        """Returns one page, decoded against the stored digests; for Zoho's empty 204, a page without info."""
        params = {"page": str(number)} | ({} if per_page is None else {"per_page": str(per_page)})
        return await self._retried(
            "", params, lambda answer: Page(None, ()) if answer.status == _EMPTY else decode_page(answer.body, index)
        )

    async def exists(self, cadence_id: str) -> bool:
        """Returns whether a cadence exists (v8 only)."""
        return await self._retried(f"/{quote(cadence_id, safe='')}", {}, lambda answer: _is_there(answer, cadence_id))

    async def _retried(self, suffix: str, params: dict[str, str], read: Callable[[HttpResponse], T]) -> T:
        async for attempt in stamina.retry_context(on=Backoff(), attempts=self.attempts, timeout=None):
            with attempt:
                async with self.limiter.slot():
                    answer = await self._authorized(suffix, params)
                self._learn(answer)
                if answer.status not in {_OK, _EMPTY}:
                    raise await self._refusal(answer)
                try:
                    return read(answer)
                except InvalidResponseError as error:
                    # A gateway's page or a truncated body: the next answer may be Zoho's own.
                    raise TransientError(error.message, hint=error.hint, code=error.code) from error
        raise AssertionError("a retry context returns or raises")

    async def _refusal(self, answer: HttpResponse) -> CadenceSyncError:
        wait = parse_retry_after(answer.headers.get("Retry-After"), self.auth.clock.now())
        error = error_from_response(answer.status, answer.body, wait)
        if error.code == "OAUTH_SCOPE_MISMATCH":
            await self.auth.forget()
        return error

    def _learn(self, answer: HttpResponse) -> None:
        self.date = answer.headers.get("Date")
        left = answer.headers.get("X-API-CREDITS-REMAINING", "")
        if re.fullmatch(r"[0-9]{1,9}", left):
            self.credits_left = int(left)
        if answer.status == _TOO_MANY:
            self.limiter.refused()
        else:
            self.limiter.succeeded()

    async def _authorized(self, suffix: str, params: dict[str, str]) -> HttpResponse:
        """Renews a token that Zoho calls invalid, but not again once a renewed one was refused too."""
        token = await self.auth.token()
        answer = await self._send(token, suffix, params)
        if answer.status == _UNAUTHORIZED and error_code(answer.body) == "INVALID_TOKEN" and not self._gave_up:
            renewed = await self.auth.token(rejected=token)
            answer = await self._send(renewed, suffix, params)
            self._gave_up = answer.status == _UNAUTHORIZED
        return answer

    async def _send(self, token: AccessToken, suffix: str, params: dict[str, str]) -> HttpResponse:
        if self.allowance is not None and max(self._reserved, self.http.counter.sent) >= self.allowance:
            raise BudgetError(f"The {self.allowance} API calls that this run may make are spent.")
        url = token.api_url + PATH.format(version=self.version) + suffix
        headers = {"Authorization": f"Zoho-oauthtoken {token.value}"}
        self._reserved += 1
        return await self.http.request("GET", url, counted=True, params=params, headers=headers)


def _is_there(answer: HttpResponse, cadence_id: str) -> bool:
    if answer.status == _EMPTY:
        return False
    if listed_ids(answer.body) != [cadence_id]:
        raise InvalidResponseError("Zoho answered with something else than the cadence that was asked for.")
    return True


@dataclass(slots=True)
class Backoff:
    """Returns to stamina the seconds before the next attempt: Zoho's `Retry-After`, else exponential with full jitter.

    Full jitter separates clients that failed together:
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """

    failed: int = 0

    def __call__(self, error: Exception) -> bool | float:
        """Returns False for an error that a retry cannot fix."""
        if not isinstance(error, TransientError):
            return False
        self.failed += 1
        wait = error.retry_after
        if wait is None:
            wait = random.uniform(0, min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (self.failed - 1)))  # noqa: S311 - no secret
        log.warning("request_retry", error=error.message, code=error.code, failed=self.failed, wait=round(wait, 2))
        return wait
