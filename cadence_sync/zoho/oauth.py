"""The token endpoint: what is asked of it, and what its odd answers mean.

Zoho reports a failure as HTTP 200 or 400 with `{"error": …}`. Secrets travel in the form body only: an address would
end up in logs.
"""

import asyncio
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeAlias

import msgspec

from cadence_sync.config.urls import checked_web_url
from cadence_sync.errors import AccessError, CadenceSyncError, InvalidResponseError, TransientError
from cadence_sync.ports import AccessToken, Clock, TokenCache
from cadence_sync.zoho.data_centers import DATA_CENTERS, Addresses
from cadence_sync.zoho.errors import RENEWAL_HINT
from cadence_sync.zoho.http import Http, HttpResponse

DEFAULT_LIFETIME: Final = 3600.0
"""Seconds that an access token lives, where the answer does not say."""
LONGEST_LIFETIME: Final = 86400.0
"""Seconds; whatever claims to live longer is not believed."""

_TOKEN: Final = re.compile(r"[!-~]{1,2048}")
"""What can stand in a header: visible ASCII."""
_REFUSED: Final[dict[str, tuple[str, str]]] = {
    "invalid_code": (
        "Zoho does not know the refresh token.",
        f"Check that the data center fits; if it does, {RENEWAL_HINT}",
    ),
    "invalid_client": (
        "Zoho does not know the client id.",
        "Check client id and data center in Zoho's API console.",
    ),
    "invalid_client_secret": ("The client secret is wrong.", "Copy it again from Zoho's API console."),
}


@dataclass(frozen=True, slots=True)
class Credentials:
    """What Zoho's self-client page hands out; never shown."""

    client_id: str
    client_secret: str = field(repr=False)
    refresh_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class TokenResponse:
    """An access token, and the refresh token that comes with it where a grant code was swapped."""

    token: AccessToken
    refresh_token: str | None = field(repr=False)


def refresh_form(credentials: Credentials) -> dict[str, str]:
    """Return what asks for an access token."""
    return {
        "grant_type": "refresh_token",
        "client_id": credentials.client_id,
        "client_secret": credentials.client_secret,
        "refresh_token": credentials.refresh_token,
    }


def code_form(client_id: str, client_secret: str, code: str) -> dict[str, str]:
    """Return what swaps a grant code for a refresh token."""
    return {
        "grant_type": "authorization_code",
        "client_id": client_id,
        "client_secret": client_secret,
        "code": code,
    }


async def request_token(http: Http, addresses: Addresses, form: dict[str, str], now: datetime) -> TokenResponse:
    """Return what the token endpoint grants; raises `AccessError` where it refuses."""
    answer = await http.request("POST", f"{addresses.accounts}/oauth/v2/token", data=form)
    fields = _fields(answer)
    value, refresh_token = fields.get("access_token"), fields.get("refresh_token")
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise _refusal(answer, fields)
    expires_at = now + timedelta(seconds=_seconds(fields.get("expires_in")))
    token = AccessToken(value, _api_url(addresses, fields.get("api_domain")), expires_at)
    return TokenResponse(token, refresh_token if isinstance(refresh_token, str) and refresh_token else None)


def too_many_tokens() -> AccessError:
    """Return what is said where Zoho's limit is reached, or would be."""
    return AccessError(
        "Zoho refuses more access tokens for now.",
        hint="It allows ten in ten minutes for one refresh token; wait that long.",
        code="TOKEN_LIMIT",
    )


def _api_url(addresses: Addresses, api_domain: object) -> str:
    """Return the host that the token answer names, unless the settings name one."""
    if addresses.api_is_fixed or not isinstance(api_domain, str):
        return addresses.api
    try:
        return checked_web_url(api_domain)
    except ValueError as error:
        raise InvalidResponseError(f"The token answer names an API address that cannot be used: {error}.") from error


def _seconds(lifetime: object) -> float:
    if isinstance(lifetime, bool) or not isinstance(lifetime, int | float) or not 0 < lifetime <= LONGEST_LIFETIME:
        return DEFAULT_LIFETIME
    return float(lifetime)


def _fields(answer: HttpResponse) -> dict[str, object]:
    try:
        document = msgspec.json.decode(answer.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _refusal(answer: HttpResponse, fields: dict[str, object]) -> CadenceSyncError:
    error = fields.get("error")
    if error in _REFUSED:
        message, hint = _REFUSED[str(error)]
        return AccessError(message, hint=hint, code=str(error).upper())
    if error == "Access Denied" or answer.status == 429:  # noqa: PLR2004 - Too Many Requests
        return too_many_tokens()
    if isinstance(error, str):
        return AccessError(
            "Zoho refused the credentials.", hint=f"Zoho's word for it is {error!r}.", code="TOKEN_REFUSED"
        )
    if answer.status >= 500:  # noqa: PLR2004 - server errors
        return TransientError(f"Zoho's token endpoint answered {answer.status}.")
    return InvalidResponseError(
        "Zoho's token endpoint did not answer with a token.", hint="Check the accounts address."
    )


EARLY: Final = timedelta(seconds=60)
"""Time before its end at which a token is no longer used."""
MOST_IN_WINDOW: Final = 10
WINDOW: Final = timedelta(minutes=10)
"""Zoho's limit: so many access tokens from one refresh token in so long."""
_ANSWER_LOST: Final = {"TIMEOUT", "CONNECTION_LOST", "INVALID_RESPONSE", "BODY_TOO_LARGE"}
"""Failures after which Zoho may have made a token that nobody received; it counts all the same."""


OnRefresh: TypeAlias = Callable[[str], None]
"""Is told `succeeded` or `failed` whenever a token was asked for."""


class Auth:
    """Holds one organization's access token; it is refreshed once for all who wait, in whatever process."""

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
            if sum(made > now - WINDOW for made in slot.issued_at) >= MOST_IN_WINDOW:
                raise too_many_tokens()
            try:
                token = (await request_token(self._http, self._addresses, refresh_form(self._credentials), now)).token
            except CadenceSyncError as error:
                if isinstance(error, TransientError | InvalidResponseError) and error.code in _ANSWER_LOST:
                    slot.count(now)
                self._tell("failed")
                raise
            self._tell("succeeded")
            slot.keep(token, now)
            return token

    def _tell(self, result: str) -> None:
        if self._on_refresh is not None:
            self._on_refresh(result)


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


PATIENCE: Final = 10.0
"""Seconds for all of them together."""
WRONG_DC_CODES: Final = frozenset({"INVALID_CLIENT", "INVALID_CODE"})
"""Refusals that another data center may not share."""
_SECRET: Final = {"authorization_code": "code", "refresh_token": "refresh_token"}
_NONE: Final = "1000.none"


async def matching_data_centers(
    http: Http, refused_by: str, form: dict[str, str], refusal: str, now: datetime
) -> list[str]:
    """Return the other data centers that know what this form holds.

    Where the client was not known, it alone is looked for: it goes with a made-up code or token, so that a grant code
    stays unused. Where it was, the code or token is what has another home.
    """
    asked = form if refusal == "INVALID_CODE" else form | {_SECRET[form["grant_type"]]: _NONE}
    found: list[str] = []

    async def look(data_center: str) -> None:
        try:
            await request_token(http, DATA_CENTERS[data_center], asked, now)
        except CadenceSyncError as error:
            if asked is form or error.code != "INVALID_CODE":
                return
        found.append(data_center)

    try:
        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
            for data_center in DATA_CENTERS:
                if data_center != refused_by:
                    group.create_task(look(data_center))
    except TimeoutError:
        pass  # those that answered have been heard
    return sorted(found)
