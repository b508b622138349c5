"""Which organizations a query reads: one, those of an identity, or all."""

from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from cadence_sync.errors import NotFoundError


@dataclass(frozen=True, slots=True)
class OrgScope:
    """One organization, or None for all that are allowed; `allowed` is None for every organization.

    Raises `NotFoundError` for an organization that is not allowed, as for one that is not stored: who may not see it
    does not learn that it exists.
    """

    org: str | None = None
    allowed: frozenset[str] | None = None

    def __post_init__(self) -> None:
        if self.org is not None and self.allowed is not None and self.org not in self.allowed:
            raise no_such_org_error(self.org)

    @property
    def single(self) -> str | None:
        """Returns the only organization of this scope; what one organization has is found faster."""
        if self.org is None and self.allowed is not None and len(self.allowed) == 1:
            return next(iter(self.allowed))
        return self.org

    @property
    def whole(self) -> "OrgScope":
        """Returns the scope of all that are allowed, for menus."""
        return replace(self, org=None)

    @property
    def values(self) -> dict[str, Any]:
        """Returns the parameters of `in_scope`."""
        several = None if self.allowed is None or self.single is not None else sorted(self.allowed)
        return {"org": self.single, "allowed_orgs": several}

    def conditions(self, org_id: sa.ColumnElement[str]) -> list[sa.ColumnElement[bool]]:
        """Returns what `in_scope` says for statements that are built."""
        if self.single is not None:
            return [org_id == self.single]
        return [] if self.allowed is None else [org_id.in_(sorted(self.allowed))]


def in_scope(org_id: str) -> str:
    """Returns the condition that a column holds an organization of the scope; its parameters are `OrgScope.values`."""
    return f"""
        (CAST(:org AS text) IS NULL OR {org_id} = :org)
        AND (CAST(:allowed_orgs AS text[]) IS NULL OR {org_id} = ANY(:allowed_orgs))
    """


def no_such_org_error(org: str) -> NotFoundError:
    return NotFoundError(f"There is no organization {org!r}.", hint="The overview lists those that there are.")
