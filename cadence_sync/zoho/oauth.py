"""The token endpoint: what is asked of it, and what its odd answers mean.

Zoho reports a failure as HTTP 200 or 400 with `{"error": …}`. Secrets travel in the form body only: an address would
end up in logs.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import msgspec

from cadence_sync.config.urls import checked_web_url
from cadence_sync.errors import AccessError, CadenceSyncError, InvalidResponseError, TransientError
from cadence_sync.ports import AccessToken
from cadence_sync.zoho.data_centers import Addresses
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
