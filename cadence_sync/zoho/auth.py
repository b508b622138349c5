"""Access tokens from a refresh token, and what the token endpoint's odd answers mean.

Zoho reports a failure as HTTP 200 or 400 with `{"error": …}`, and allows one refresh token ten access tokens
in ten minutes. Secrets travel in the form body only: an address would end up in logs.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Final

import msgspec

from cadence_sync.errors import AccessError, BadAnswer, CadenceSyncError, RetryLater
from cadence_sync.ports import Clock
from cadence_sync.urls import checked_web_url
from cadence_sync.zoho.data_centers import Addresses
from cadence_sync.zoho.http import Answer, Http

DEFAULT_LIFETIME: Final = 3600.0
"""Seconds that an access token lives, where the answer does not say."""
EARLY: Final = 60.0
"""Seconds before its end at which a token is no longer used."""

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


@dataclass(frozen=True, slots=True)
class Credentials:
    """What Zoho's self-client page hands out; never shown."""

    client_id: str
    client_secret: str = field(repr=False)
    refresh_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class AccessToken:
    """An access token, the host that it is good for, and when (monotonic seconds) it is to be replaced."""

    value: str = field(repr=False)
    api_url: str
    replace_at: float


class Auth:
    """Holds one organisation's access token and refreshes it, once for all who wait."""

    def __init__(self, http: Http, credentials: Credentials, addresses: Addresses, clock: Clock) -> None:
        self._http = http
        self._credentials = credentials
        self._addresses = addresses
        self._clock = clock
        self._lock = asyncio.Lock()
        self._token: AccessToken | None = None

    async def token(self, *, rejected: AccessToken | None = None) -> AccessToken:
        """Return a live token, and another one than that which Zoho rejected."""
        async with self._lock:
            held = self._token
            if held is None or held is rejected or self._clock.monotonic() >= held.replace_at:
                held = self._token = await self._refresh()
            return held

    async def _refresh(self) -> AccessToken:
        form = {
            "grant_type": "refresh_token",
            "client_id": self._credentials.client_id,
            "client_secret": self._credentials.client_secret,
            "refresh_token": self._credentials.refresh_token,
        }
        answer = await self._http.request("POST", f"{self._addresses.accounts}/oauth/v2/token", data=form)
        fields = _fields(answer)
        value = fields.get("access_token")
        if not isinstance(value, str) or not value:
            raise _refusal(answer, fields)
        lifetime = fields.get("expires_in")
        seconds = float(lifetime) if isinstance(lifetime, int | float) else DEFAULT_LIFETIME
        replace_at = self._clock.monotonic() + max(seconds - EARLY, 0)
        return AccessToken(value, self._api_url(fields.get("api_domain")), replace_at)

    def _api_url(self, api_domain: object) -> str:
        """Return the host that the token answer names, unless the settings name one."""
        if self._addresses.api_is_fixed or not isinstance(api_domain, str):
            return self._addresses.api
        try:
            return checked_web_url(api_domain)
        except ValueError as error:
            raise BadAnswer(f"The token answer names an API address that cannot be used: {error}.") from error


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
        return AccessError(
            "Zoho refuses more access tokens for now.",
            hint="It allows ten in ten minutes for one refresh token; wait that long.",
            code="TOKEN_LIMIT",
        )
    if isinstance(error, str):
        return AccessError(
            "Zoho refused the credentials.", hint=f"Zoho's word for it is {error!r}.", code="TOKEN_REFUSED"
        )
    if answer.status >= 500:  # noqa: PLR2004 - server errors
        return RetryLater(f"Zoho's token endpoint answered {answer.status}.")
    return BadAnswer("Zoho's token endpoint did not answer with a token.", hint="Check the accounts address.")
