"""Who asks: a name for the audit log, a role, and the organizations that they may see."""

from dataclasses import dataclass
from typing import Final, Literal

Role = Literal["viewer", "reviewer"]
"""A viewer reads; a reviewer also approves and rejects deletions and asks for syncs."""
ROLES: Final[tuple[Role, ...]] = ("viewer", "reviewer")
OPEN_USER: Final = "loopback"
"""The audit log's user of a web UI that asks for no token."""
TOKEN_USER: Final = "token"  # noqa: S105 - a name
"""The audit log's user who has the setting `WEB_TOKEN`."""
UNKNOWN_USER: Final = "unknown"
"""The audit log's user of what is entered about a client that has not logged in."""
RESERVED_NAMES: Final = frozenset({OPEN_USER, TOKEN_USER, UNKNOWN_USER, *ROLES})
"""Not names of people; the function `redacted_operator` of the database has the same list."""


@dataclass(frozen=True, slots=True)
class Identity:
    name: str
    role: Role
    orgs: frozenset[str] | None = None
    """None for all organizations."""

    @property
    def may_review(self) -> bool:
        return self.role == "reviewer"
