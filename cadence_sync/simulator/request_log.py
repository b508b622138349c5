"""What was asked of the simulator: enough to count and compare calls, and no secret."""

from collections import Counter, deque
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

_KEPT = 10_000
_PLAIN = frozenset({"page", "per_page", "module", "name", "active", "fields"})


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request; `status` is None where the connection was broken off, `query` values may be masked."""

    at: datetime
    kind: str
    method: str
    path: str
    query: dict[str, str]
    status: int | None
    user_agent: str
    org: int | None


class RequestLog:
    """The latest requests and how many there were of each kind; those to the control are left out."""

    def __init__(self) -> None:
        self.requests: deque[LoggedRequest] = deque(maxlen=_KEPT)
        self.counts: Counter[str] = Counter()

    def note(self, entry: LoggedRequest) -> None:
        """Add a request that was answered."""
        self.requests.append(entry)
        self.counts[entry.kind] += 1

    def clear(self) -> None:
        """Start counting afresh."""
        self.requests.clear()
        self.counts.clear()


def kind_of(request: web.BaseRequest) -> str:
    """Return `token`, `list`, `one`, `control` or `other`."""
    path = request.path
    if path.startswith("/_simulator/"):
        return "control"
    if path == "/oauth/v2/token":
        return "token"
    if path.startswith("/crm/") and path.endswith("/settings/automation/cadences"):
        return "list"
    return "one" if path.startswith("/crm/") and "/settings/automation/cadences/" in path else "other"


def plain_query(request: web.BaseRequest) -> dict[str, str]:
    """Return the query; values of parameters that the cadences API does not know may be secrets."""
    return {key: value if key in _PLAIN else "***" for key, value in request.query.items()}
