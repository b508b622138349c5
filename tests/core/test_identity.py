"""What a role may do."""

import pytest

from cadence_sync.core.identity import RESERVED_NAMES, ROLES, Identity, Role


@pytest.mark.parametrize(("role", "may_review"), [("viewer", False), ("reviewer", True)])
def test_a_reviewer_reviews_and_a_viewer_does_not(role: Role, may_review: bool) -> None:
    assert Identity("ana", role).may_review is may_review


def test_no_role_is_a_name() -> None:
    assert {*ROLES} <= RESERVED_NAMES
