"""Who asks: a name for the audit log, a role, and the organizations that they may see."""

from dataclasses import dataclass
from typing import Final, Literal

Role = Literal["viewer", "reviewer"]
"""A viewer reads; a reviewer also approves and rejects deletions and asks for syncs."""
ROLES: Final[tuple[Role, ...]] = ("viewer", "reviewer")
OPEN_USER: Final = "loopback"
TOKEN_USER: Final = "token"  # noqa: S105 - the user in the audit log who has the setting WEB_TOKEN
UNKNOWN_USER: Final = "unknown"
RESERVED: Final = frozenset({OPEN_USER, TOKEN_USER, UNKNOWN_USER})
"""Names in the audit log that say how somebody came in, so that no named token may have them."""


@dataclass(frozen=True, slots=True)
class Identity:
    name: str
    role: Role
    orgs: frozenset[str] | None = None
    """None for all organizations."""

    @property
    def may_review(self) -> bool:
        return self.role == "reviewer"
