"""The list endpoint: authorised, counted, retried within bounds."""

from dataclasses import dataclass
from typing import Final

import stamina

from cadence_sync.core.decode import decode_page
from cadence_sync.core.model import Page
from cadence_sync.errors import BadAnswer, RetryLater
from cadence_sync.zoho.answers import error_code, error_of
from cadence_sync.zoho.auth import AccessToken, Auth
from cadence_sync.zoho.http import Answer, Http
from cadence_sync.zoho.limiter import Limiter

PATH: Final = "/crm/{version}/settings/automation/cadences"
_OK, _EMPTY, _UNAUTHORISED, _TOO_MANY = 200, 204, 401, 429


@dataclass(slots=True)
class Client:
    """Asks for pages of one organisation."""

    http: Http
    auth: Auth
    version: str
    attempts: int
    limiter: Limiter
    _renewed: bool = False

    @property
    def calls(self) -> int:
        """Requests to the API host so far, retries included."""
        return self.http.sent

    async def page(self, number: int, per_page: int | None) -> Page:
        """Return one decoded page; a page without info stands for Zoho's empty 204."""
        params = {"page": str(number)} | ({} if per_page is None else {"per_page": str(per_page)})
        async for attempt in stamina.retry_context(on=_backoff, attempts=self.attempts, timeout=None, wait_max=30):
            with attempt:
                async with self.limiter.place():
                    return await self._page_once(params)
        raise AssertionError("a retry context returns or raises")

    async def _page_once(self, params: dict[str, str]) -> Page:
        answer = await self._authorised(params)
        if answer.status == _EMPTY:
            return Page(None, ())
        if answer.status == _TOO_MANY:
            self.limiter.refused()
        if answer.status != _OK:
            raise error_of(answer.status, answer.body, answer.headers.get("Retry-After"))
        self.limiter.succeeded()
        try:
            return decode_page(answer.body)
        except BadAnswer as error:
            # A gateway's page or half a body: the next answer may be Zoho's own.
            raise RetryLater(error.message, hint=error.hint, code=error.code) from error

    async def _authorised(self, params: dict[str, str]) -> Answer:
        """Ask with a live token; one that Zoho calls invalid is replaced once in a walk."""
        token = await self.auth.token()
        answer = await self._ask(token, params)
        if answer.status == _UNAUTHORISED and error_code(answer.body) == "INVALID_TOKEN" and not self._renewed:
            renewed = await self.auth.token(rejected=token)
            answer = await self._ask(renewed, params)
            self._renewed = answer.status == _UNAUTHORISED
        return answer

    async def _ask(self, token: AccessToken, params: dict[str, str]) -> Answer:
        url = token.api_url + PATH.format(version=self.version)
        headers = {"Authorization": f"Zoho-oauthtoken {token.value}"}
        return await self.http.request("GET", url, counted=True, params=params, headers=headers)


def _backoff(error: Exception) -> bool | float:
    """Tell stamina whether to ask again, and when Zoho named a time, when."""
    if not isinstance(error, RetryLater):
        return False
    return True if error.retry_after is None else error.retry_after
