"""One organization's access token: refreshed early, once for all who wait, and within Zoho's limit."""

import asyncio
import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Final, TypeAlias

import msgspec

from cadence_sync.errors import CadenceSyncError, InvalidResponseError, TransientError
from cadence_sync.ports import AccessToken, Clock, TokenCache
from cadence_sync.zoho.data_centers import Addresses
from cadence_sync.zoho.http import Http
from cadence_sync.zoho.oauth import Credentials, refresh_form, request_token, too_many_tokens

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
