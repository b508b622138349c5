"""OAuth: the token endpoint, and the access token of each organization.

Zoho reports a failure as HTTP 200 or 400 with `{"error": …}`. Secrets are sent in the form body only: a URL would end
up in logs.
"""

import asyncio
import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeAlias
from urllib.parse import urlsplit

import msgspec

from cadence_sync.config.orgs import OrgConfig
from cadence_sync.config.urls import checked_web_url
from cadence_sync.errors import AccessError, CadenceSyncError, InvalidResponseError, TransientError
from cadence_sync.ports import AccessToken, Clock, TokenCache
from cadence_sync.zoho.data_centers import DATA_CENTERS, Addresses
from cadence_sync.zoho.errors import RENEWAL_HINT, decode_object
from cadence_sync.zoho.http import Http, HttpResponse

LONGEST_LIFETIME: Final = 86400.0
"""Seconds; a longer lifetime is not credible."""
FOREIGN_API_HOST: Final = "FOREIGN_API_HOST"
_TOKEN: Final = re.compile(r"[!-~]{1,2048}")
"""Visible ASCII: a token is sent in a header."""
_REFUSED: Final[dict[str, tuple[str, str]]] = {
    "invalid_code": (
        "Zoho does not know the refresh token.",
        f"Check that the data center fits; if it does, {RENEWAL_HINT}",
    ),
    "invalid_client": (
        "Zoho does not know the client id.",
        "Check client id and data center in Zoho's API console; `org add --probe eu,in` tries other data centers.",
    ),
    "invalid_client_secret": ("The client secret is wrong.", "Copy it again from Zoho's API console."),
}


@dataclass(frozen=True, slots=True)
class TokenResponse:
    """An access token, and the refresh token that an exchanged grant code brings."""

    token: AccessToken
    refresh_token: str | None = field(repr=False)


def token_form(org: OrgConfig, grant_code: str | None = None) -> dict[str, str]:
    """Returns the form that exchanges a grant code, else the refresh token, for an access token."""
    client = {"client_id": org.client_id, "client_secret": org.client_secret}
    if grant_code is None:
        return {"grant_type": "refresh_token", **client, "refresh_token": org.refresh_token}
    return {"grant_type": "authorization_code", **client, "code": grant_code}


async def request_token(http: Http, addresses: Addresses, form: dict[str, str], now: datetime) -> TokenResponse:
    """Requests a token; raises `AccessError` where it is refused."""
    answer = await http.request("POST", f"{addresses.accounts}/oauth/v2/token", data=form)
    fields = decode_object(answer.body)
    value, refresh_token = fields.get("access_token"), fields.get("refresh_token")
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise _refusal(answer, fields)
    expires_at = now + timedelta(seconds=_seconds(fields.get("expires_in")))
    token = AccessToken(value, _api_url(addresses, fields.get("api_domain")), expires_at)
    return TokenResponse(token, refresh_token if isinstance(refresh_token, str) and refresh_token else None)


def _too_many_tokens() -> AccessError:
    return AccessError(
        "Zoho refuses more access tokens for now.",
        hint="It allows ten in ten minutes for one refresh token; wait that long.",
        code="TOKEN_LIMIT",
    )


def _api_url(addresses: Addresses, api_domain: object) -> str:
    if addresses.api_is_fixed or not isinstance(api_domain, str):
        return addresses.api
    try:
        url = checked_web_url(api_domain)
    except ValueError as error:
        raise InvalidResponseError(f"The token answer names an API address that cannot be used: {error}.") from error
    if not addresses.trusts(url):
        raise InvalidResponseError(
            f"The token answer names {urlsplit(url).netloc!r} as the API host, which is none of this data center's.",
            hint="No token was sent there. Check data center and accounts address, or set the API address.",
            code=FOREIGN_API_HOST,
        )
    return url


def _seconds(lifetime: object) -> float:
    """Returns an hour for a lifetime that is not credible."""
    if isinstance(lifetime, bool) or not isinstance(lifetime, int | float) or not 0 < lifetime <= LONGEST_LIFETIME:
        return 3600.0
    return float(lifetime)


def _refusal(answer: HttpResponse, fields: dict[str, object]) -> CadenceSyncError:
    error = fields.get("error")
    if error in _REFUSED:
        message, hint = _REFUSED[str(error)]
        return AccessError(message, hint=hint, code=str(error).upper())
    if error == "Access Denied" or answer.status == 429:  # noqa: PLR2004 - Too Many Requests
        return _too_many_tokens()
    if isinstance(error, str):
        hint = f"Zoho's word for it is {error!r}."
        return AccessError("Zoho refused the credentials.", hint=hint, code="TOKEN_REFUSED")
    if answer.status >= 500:  # noqa: PLR2004 - server errors
        return TransientError(f"Zoho's token endpoint answered {answer.status}.")
    hint = "Check the accounts address."
    return InvalidResponseError("Zoho's token endpoint did not answer with a token.", hint=hint)


MOST_IN_WINDOW: Final = 10
WINDOW: Final = timedelta(minutes=10)
"""Zoho's limit: access tokens from one refresh token in a window."""
_ANSWER_LOST: Final = {"TIMEOUT", "CONNECTION_LOST", "INVALID_RESPONSE", "BODY_TOO_LARGE", FOREIGN_API_HOST}
"""Failures after which Zoho may have issued a token that was not received; it counts towards the limit."""

OnRefresh: TypeAlias = Callable[[str], None]
"""Called with `succeeded` or `failed` after each token request."""


@dataclass(slots=True)
class Auth:
    """Holds one organization's access token, which one task of one process refreshes for all."""

    http: Http
    org: OrgConfig
    addresses: Addresses
    clock: Clock
    cache: TokenCache
    on_refresh: OnRefresh | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _token: AccessToken | None = None

    async def token(self, *, rejected: AccessToken | None = None) -> AccessToken:
        """Returns a live token other than the rejected one."""
        async with self._lock:
            if not self._is_good(self._token, rejected):
                self._token = await self.cache.load()
            if not self._is_good(self._token, rejected):
                self._token = await self._refreshed(rejected)
            assert self._token is not None  # noqa: S101 - a refresh returns one or raises
            return self._token

    async def forget(self) -> None:
        """Drops the token from the cache too, where any token of these credentials would be refused."""
        async with self._lock:
            self._token = None
            await self.cache.drop()

    def _is_good(self, token: AccessToken | None, rejected: AccessToken | None) -> bool:
        if token is None or (rejected is not None and token.value == rejected.value):
            return False
        return self.clock.now() < token.expires_at - timedelta(minutes=1)  # renewed early

    async def _refreshed(self, rejected: AccessToken | None) -> AccessToken:
        async with self.cache.refreshing() as slot:
            if slot.token is not None and self._is_good(slot.token, rejected):
                return slot.token
            now = self.clock.now()
            if sum(made > now - WINDOW for made in slot.issued_at) >= MOST_IN_WINDOW:
                raise _too_many_tokens()
            try:
                token = (await request_token(self.http, self.addresses, token_form(self.org), now)).token
            except CadenceSyncError as error:
                if isinstance(error, TransientError | InvalidResponseError) and error.code in _ANSWER_LOST:
                    slot.count(now)
                self._report("failed")
                raise
            self._report("succeeded")
            slot.keep(token, now)
            return token

    def _report(self, result: str) -> None:
        if self.on_refresh is not None:
            self.on_refresh(result)


def fingerprint(org: OrgConfig, addresses: Addresses) -> bytes:
    secrets = (org.client_id, org.client_secret, org.refresh_token)
    return hashlib.sha256(msgspec.json.encode((addresses.accounts, addresses.api, *secrets))).digest()


WRONG_DC_CODES: Final = frozenset({"INVALID_CLIENT", "INVALID_CODE"})


async def matching_data_centers(
    http: Http, candidates: Iterable[str], form: dict[str, str], refusal: str, now: datetime
) -> list[str]:
    """Returns those of the data centers that accept this form, which sends the client's secret to each.

    Where the client was refused, it is tried with a made-up code or token, so that a grant code stays unused. Where
    the code or token was refused, that is tried.
    """
    secret = "code" if "code" in form else "refresh_token"
    tried = form if refusal == "INVALID_CODE" else form | {secret: "1000.none"}
    found: list[str] = []

    async def probe(data_center: str) -> None:
        try:
            await request_token(http, DATA_CENTERS[data_center], tried, now)
        except CadenceSyncError as error:
            if tried is form or error.code != "INVALID_CODE":
                return
        found.append(data_center)

    try:
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            for data_center in candidates:
                group.create_task(probe(data_center))
    except TimeoutError:
        pass  # those that answered are in the list
    return sorted(found)
