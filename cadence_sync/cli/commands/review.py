"""`approve` and `reject`: a person decides about deletions that a run held."""

import getpass
from typing import Literal

from cadence_sync import wiring
from cadence_sync.config.settings import Settings


async def decide_command(settings: Settings, run_id: int, decision: Literal["approved", "rejected"]) -> None:
    """Note the decision; the next sync acts on it."""
    from cadence_sync.db.deletion_reviews import review_deletions

    async with wiring.database(settings) as engine:
        org_id, count = await review_deletions(engine, run_id, decision, whoever(), wiring.alert_routing(settings))
    then = "the next sync deletes those still missing" if decision == "approved" else "they stay live"
    print(f"Deletion of {count} cadence(s) of {org_id!r} {decision}: {then}.")


def whoever() -> str:
    """Return the user's name; a container's user may have none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
