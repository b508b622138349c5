"""The accounts host's tokens: refresh tokens, live access tokens, and recent requests for them."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import blake2b
from hmac import compare_digest

from cadence_sync.simulator.settings import SimulatorSettings

CLIENT_ID = "1000.SIMULATOR"
CLIENT_SECRET = "simulator-secret"  # noqa: S105 - it opens nothing but a made-up organization on loopback
_REFRESH = "simulator-refresh-"
_CODE = "simulator-code-"


@dataclass(frozen=True, slots=True)
class SimulatedCredentials:
    """A client's credentials for one organization; `grant_code` can be exchanged for the refresh token, once."""

    client_id: str
    client_secret: str
    refresh_token: str
    grant_code: str


def credentials(index: int) -> SimulatedCredentials:
    return SimulatedCredentials(CLIENT_ID, CLIENT_SECRET, f"{_REFRESH}{index}", f"{_CODE}{index}")


class TokenError(Exception):
    """A refusal by the accounts host; its text is the error code."""


@dataclass(slots=True)
class _Issued:
    recent: deque[datetime] = field(default_factory=deque)
    live: dict[str, datetime] = field(default_factory=dict)
    total: int = 0


class TokenService:
    def __init__(self, orgs: int, seed: int, settings: SimulatorSettings, clock: Callable[[], datetime]) -> None:
        self.orgs = {credentials(index).refresh_token: index for index in range(orgs)}
        self._seed = seed
        self._settings = settings
        self._clock = clock
        self._issued: dict[int, _Issued] = {}
        self._used_codes: set[str] = set()
        self._owners: dict[str, int] = {}

    def check_client(self, client_id: str, client_secret: str) -> None:
        if client_id != CLIENT_ID:
            raise TokenError("invalid_client")
        if not compare_digest(client_secret.encode(), CLIENT_SECRET.encode()):
            raise TokenError("invalid_client_secret")

    def redeem(self, code: str) -> str:
        """Returns the refresh token for a grant code; `simulator-code-0-b` is another code for the same."""
        index = code.removeprefix(_CODE).split("-")[0]
        refresh_token = f"{_REFRESH}{index}"
        if not code.startswith(_CODE) or refresh_token not in self.orgs or code in self._used_codes:
            raise TokenError("invalid_code")
        self._used_codes.add(code)
        return refresh_token

    def issue(self, refresh_token: str) -> str:
        """Returns a new access token; raises `TokenError` after too many requests within the window."""
        index = self.orgs.get(refresh_token)
        if index is None:
            raise TokenError("invalid_code")
        issued = self._issued.setdefault(index, _Issued())
        now = self._clock()
        self._admit(issued, now)
        issued.total += 1
        return self._make(index, issued, now)

    def org_of(self, access_token: str) -> int | None:
        index = self._owners.get(access_token)
        if index is None or self._issued[index].live[access_token] <= self._clock():
            return None
        return index

    def revoke_all(self) -> None:
        self._owners.clear()
        for issued in self._issued.values():
            issued.live.clear()

    def _admit(self, issued: _Issued, now: datetime) -> None:
        window = timedelta(seconds=self._settings.token_window)
        while issued.recent and issued.recent[0] <= now - window:
            issued.recent.popleft()
        if len(issued.recent) >= self._settings.token_limit:
            raise TokenError("Access Denied")
        issued.recent.append(now)

    def _make(self, index: int, issued: _Issued, now: datetime) -> str:
        # With the time in it, a restarted simulator does not hand out its predecessor's tokens again.
        source = f"{self._seed}/{index}/{issued.total}/{now.isoformat()}"
        digest = blake2b(source.encode(), digest_size=16).hexdigest()
        token = f"1000.{digest}.{index}"
        issued.live[token] = now + timedelta(seconds=self._settings.token_lifetime)
        self._owners[token] = index
        while len(issued.live) > self._settings.max_live_tokens:
            # Zoho drops the oldest token of a refresh token that has too many.
            oldest = next(iter(issued.live))
            del issued.live[oldest], self._owners[oldest]
        return token
