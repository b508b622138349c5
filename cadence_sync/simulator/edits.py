"""What people do to cadences over time, with the traces that Zoho leaves of it.

Every change of a cadence sets `modified_time` and `modified_by`. A new label of a user or a view does not:
Zoho shows it in every cadence that names it, and calls none of them modified.
"""

from dataclasses import dataclass
from datetime import datetime

from cadence_sync.simulator.org import SimOrg
from cadence_sync.simulator.records import Cadence, Counts, Execution, User


class EditError(ValueError):
    """An edit that Zoho's own screens would not offer for this cadence."""


@dataclass(frozen=True, slots=True)
class Edit:
    """What was done; `cadence_id` is None for a new label, which belongs to no single cadence."""

    kind: str
    cadence_id: str | None
    text: str


def rename(org: SimOrg, cadence_id: str, name: str, *, now: datetime, by: User) -> Edit:
    """Give a cadence another name."""
    cadence = _live(org, cadence_id)
    former, cadence.name = cadence.name, name
    _sign(org, cadence, now, by)
    return Edit("rename", cadence_id, f"{former!r} is now {name!r}")


def activate(org: SimOrg, cadence_id: str, *, now: datetime, by: User) -> Edit:
    """Switch a published cadence on; `active` and `status` move together."""
    cadence = _live(org, cadence_id)
    if cadence.active or not cadence.published:
        raise EditError(f"{cadence_id} is {cadence.status}: only an inactive cadence can be activated")
    cadence.active = True
    _sign(org, cadence, now, by)
    return Edit("activate", cadence_id, f"{cadence.name!r} is active")


def deactivate(org: SimOrg, cadence_id: str, *, now: datetime, by: User) -> Edit:
    """Switch an active cadence off."""
    cadence = _live(org, cadence_id)
    if not cadence.active:
        raise EditError(f"{cadence_id} is {cadence.status}: only an active cadence can be deactivated")
    cadence.active = False
    _sign(org, cadence, now, by)
    return Edit("deactivate", cadence_id, f"{cadence.name!r} is inactive")


def publish(org: SimOrg, cadence_id: str, *, now: datetime, by: User) -> Edit:
    """Publish a draft, which activates it, or merge the pending draft of a published cadence."""
    cadence = _live(org, cadence_id)
    if cadence.published and cadence.draft is None:
        raise EditError(f"{cadence_id} has nothing to publish")
    cadence.active = cadence.active or not cadence.published
    cadence.published = True
    cadence.draft = None
    _sign(org, cadence, now, by)
    return Edit("publish", cadence_id, f"{cadence.name!r} was published")


def change_counts(org: SimOrg, cadence_id: str, counts: Counts, *, now: datetime, by: User) -> Edit:
    """Add or take away steps."""
    cadence = _live(org, cadence_id)
    former, cadence.counts = cadence.counts, counts
    text = f"{cadence.name!r} has steps {_steps(counts)} instead of {_steps(former)}"
    _sign(org, cadence, now, by)
    return Edit("change_counts", cadence_id, text)


def change_execution(org: SimOrg, cadence_id: str, execution: Execution | None, *, now: datetime, by: User) -> Edit:
    """Set how often a cadence runs and when it ends."""
    cadence = _live(org, cadence_id)
    cadence.execution = execution
    how = _schedule(execution) if execution else "no execution details"
    _sign(org, cadence, now, by)
    return Edit("change_execution", cadence_id, f"{cadence.name!r} has {how}")


def create(org: SimOrg, cadence: Cadence) -> Edit:
    """Add a cadence that `generate.cadence` or a test made; who made it and when stands in it."""
    if cadence.id in org.cadences or cadence.id in org.deleted:
        raise EditError(f"{cadence.id} exists")
    org.cadences[cadence.id] = cadence
    org.touch()
    return Edit("create", cadence.id, f"{cadence.name!r} was created by {cadence.created_by.name}")


def delete(org: SimOrg, cadence_id: str) -> Edit:
    """Take a cadence out of the lists; nothing about it remains to be read."""
    cadence = _live(org, cadence_id)
    org.deleted[cadence_id] = org.cadences.pop(cadence_id)
    org.touch()
    return Edit("delete", cadence_id, f"{cadence.name!r} was deleted")


def restore(org: SimOrg, cadence_id: str) -> Edit:
    """Bring a deleted cadence back exactly as it was, its modified time included."""
    if cadence_id not in org.deleted:
        raise EditError(f"{cadence_id} was not deleted")
    cadence = org.deleted.pop(cadence_id)
    org.cadences[cadence_id] = cadence
    org.touch()
    return Edit("restore", cadence_id, f"{cadence.name!r} is back")


def rename_user(org: SimOrg, user_id: str, name: str) -> Edit:
    """Give a user another display name: a label, so that no cadence counts as modified."""
    for user in org.users:
        if user.id == user_id:
            former, user.name = user.name, name
            return Edit("rename_user", None, f"user {former!r} is now {name!r}")
    raise EditError(f"no user {user_id}")


def rename_view(org: SimOrg, view_id: str, name: str) -> Edit:
    """Give a custom view another name: a label, like that of a user."""
    for view in org.views:
        if view.id == view_id:
            former, view.name = view.name, name
            return Edit("rename_view", None, f"view {former!r} is now {name!r}")
    raise EditError(f"no custom view {view_id}")


def _live(org: SimOrg, cadence_id: str) -> Cadence:
    if cadence_id not in org.cadences:
        raise EditError(f"no cadence {cadence_id}")
    return org.cadences[cadence_id]


def _sign(org: SimOrg, cadence: Cadence, now: datetime, by: User) -> None:
    cadence.modified_time = now.replace(microsecond=0)  # Zoho's times have no fractions of a second
    cadence.modified_by = by
    org.touch()


def _steps(counts: Counts) -> str:
    return f"{counts.email} mail, {counts.task} task, {counts.call} call, {counts.whatsapp} WhatsApp"


def _schedule(execution: Execution) -> str:
    every = f"every {execution.unit} {execution.period}" if execution.unit else execution.period
    return f"execution {every}, {f'until {execution.end_date}' if execution.end_date else 'without end'}"
