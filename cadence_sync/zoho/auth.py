"""Access tokens from a refresh token, and what the token endpoint's odd answers mean.

Zoho reports a failure as HTTP 200 or 400 with `{"error": …}`, and allows one refresh token ten access tokens
in ten minutes. Secrets travel in the form body only: an address would end up in logs.
"""

import asyncio
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeAlias

import msgspec

from cadence_sync.errors import AccessError, BadAnswer, CadenceSyncError, RetryLater
from cadence_sync.ports import AccessToken, Clock, TokenCache
from cadence_sync.urls import checked_web_url
from cadence_sync.zoho.data_centers import Addresses
from cadence_sync.zoho.http import Answer, Http

DEFAULT_LIFETIME: Final = 3600.0
"""Seconds that an access token lives, where the answer does not say."""
LONGEST_LIFETIME: Final = 86400.0
"""Seconds; whatever claims to live longer is not believed."""
EARLY: Final = timedelta(seconds=60)
"""Time before its end at which a token is no longer used."""
MOST_IN_WINDOW: Final = 10
WINDOW: Final = timedelta(minutes=10)
"""Zoho's limit: so many access tokens from one refresh token in so long."""

_TOKEN: Final = re.compile(r"[!-~]{1,2048}")
"""What can stand in a header: visible ASCII."""
_ANSWER_LOST: Final = {"TIMEOUT", "CONNECTION_BROKE", "BAD_ANSWER", "BODY_TOO_LARGE"}
"""Failures after which Zoho may have made a token that nobody received; it counts all the same."""
_REFUSED: Final[dict[str, tuple[str, str]]] = {
    "invalid_code": (
        "Zoho does not know the refresh token.",
        "Make a new one; check that the data centre fits.",
    ),
    "invalid_client": (
        "Zoho does not know the client id.",
        "Check client id and data centre in Zoho's API console.",
    ),
    "invalid_client_secret": ("The client secret is wrong.", "Copy it again from Zoho's API console."),
}


OnRefresh: TypeAlias = Callable[[str], None]
"""Is told `succeeded` or `failed` whenever a token was asked for."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What Zoho's self-client page hands out; never shown."""

    client_id: str
    client_secret: str = field(repr=False)
    refresh_token: str = field(repr=False)


class Auth:
    """Holds one organisation's access token; it is refreshed once for all who wait, in whatever process."""

    def __init__(
        self,
        http: Http,
        credentials: Credentials,
        addresses: Addresses,
        clock: Clock,
        cache: TokenCache,
        on_refresh: OnRefresh | None = None,
    ) -> None:
        self._http = http
        self._credentials = credentials
        self._addresses = addresses
        self.clock = clock
        self._cache = cache
        self._lock = asyncio.Lock()
        self._token: AccessToken | None = None
        self._on_refresh = on_refresh

    async def token(self, *, rejected: AccessToken | None = None) -> AccessToken:
        """Return a live token, and another one than that which Zoho rejected."""
        async with self._lock:
            if not self._is_good(self._token, rejected):
                self._token = await self._cache.load()
            if not self._is_good(self._token, rejected):
                self._token = await self._refreshed(rejected)
            assert self._token is not None  # noqa: S101 - a refresh returns one or raises
            return self._token

    async def forget(self) -> None:
        """Drop the token everywhere, where no token of these credentials can help."""
        async with self._lock:
            self._token = None
            await self._cache.drop()

    def _is_good(self, token: AccessToken | None, rejected: AccessToken | None) -> bool:
        if token is None or (rejected is not None and token.value == rejected.value):
            return False
        return self.clock.now() < token.expires_at - EARLY

    async def _refreshed(self, rejected: AccessToken | None) -> AccessToken:
        async with self._cache.refreshing() as slot:
            if slot.token is not None and self._is_good(slot.token, rejected):
                return slot.token
            now = self.clock.now()
            if sum(made > now - WINDOW for made in slot.recent) >= MOST_IN_WINDOW:
                raise _too_many_tokens()
            try:
                token = await self._ask(now)
            except CadenceSyncError as error:
                if isinstance(error, RetryLater | BadAnswer) and error.code in _ANSWER_LOST:
                    slot.count(now)
                self._tell("failed")
                raise
            self._tell("succeeded")
            slot.keep(token, now)
            return token

    def _tell(self, result: str) -> None:
        if self._on_refresh is not None:
            self._on_refresh(result)

    async def _ask(self, now: datetime) -> AccessToken:
        form = {
            "grant_type": "refresh_token",
            "client_id": self._credentials.client_id,
            "client_secret": self._credentials.client_secret,
            "refresh_token": self._credentials.refresh_token,
        }
        answer = await self._http.request("POST", f"{self._addresses.accounts}/oauth/v2/token", data=form)
        fields = _fields(answer)
        value = fields.get("access_token")
        if not isinstance(value, str) or not _TOKEN.fullmatch(value):
            raise _refusal(answer, fields)
        expires_at = now + timedelta(seconds=_seconds(fields.get("expires_in")))
        return AccessToken(value, self._api_url(fields.get("api_domain")), expires_at)

    def _api_url(self, api_domain: object) -> str:
        """Return the host that the token answer names, unless the settings name one."""
        if self._addresses.api_is_fixed or not isinstance(api_domain, str):
            return self._addresses.api
        try:
            return checked_web_url(api_domain)
        except ValueError as error:
            raise BadAnswer(f"The token answer names an API address that cannot be used: {error}.") from error


def fingerprint(credentials: Credentials, addresses: Addresses) -> bytes:
    """Return what tells sets of credentials, and the hosts they are for, apart without giving them away."""
    parts = (
        addresses.accounts,
        addresses.api,
        credentials.client_id,
        credentials.client_secret,
        credentials.refresh_token,
    )
    return hashlib.sha256(msgspec.json.encode(parts)).digest()


def _seconds(lifetime: object) -> float:
    if isinstance(lifetime, bool) or not isinstance(lifetime, int | float) or not 0 < lifetime <= LONGEST_LIFETIME:
        return DEFAULT_LIFETIME
    return float(lifetime)


def _too_many_tokens() -> AccessError:
    return AccessError(
        "Zoho refuses more access tokens for now.",
        hint="It allows ten in ten minutes for one refresh token; wait that long.",
        code="TOKEN_LIMIT",
    )


def _fields(answer: Answer) -> dict[str, object]:
    try:
        document = msgspec.json.decode(answer.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _refusal(answer: Answer, fields: dict[str, object]) -> CadenceSyncError:
    error = fields.get("error")
    if error in _REFUSED:
        message, hint = _REFUSED[str(error)]
        return AccessError(message, hint=hint, code=str(error).upper())
    if error == "Access Denied" or answer.status == 429:  # noqa: PLR2004 - Too Many Requests
        return _too_many_tokens()
    if isinstance(error, str):
        return AccessError(
            "Zoho refused the credentials.", hint=f"Zoho's word for it is {error!r}.", code="TOKEN_REFUSED"
        )
    if answer.status >= 500:  # noqa: PLR2004 - server errors
        return RetryLater(f"Zoho's token endpoint answered {answer.status}.")
    return BadAnswer("Zoho's token endpoint did not answer with a token.", hint="Check the accounts address.")
