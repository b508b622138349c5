"""What people do to cadences over time, with the traces that Zoho leaves of it.

Every change of a cadence sets `modified_time` and `modified_by`. A new label of a user or a view does not:
Zoho shows it in every cadence that names it, and calls none of them modified.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from cadence_sync.simulator import generate
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


_TRIES = 20


@dataclass(frozen=True, slots=True)
class _EditContext:
    """Whoever edits, and when."""

    org: SimOrg
    now: datetime
    by: User
    rng: random.Random


@dataclass(frozen=True, slots=True)
class _EditKind:
    """One kind of edit: how often it happens, which cadences it fits, how it is done."""

    weight: int
    fits: Callable[[Cadence], bool]
    run: Callable[[_EditContext, str], Edit]


def _rename(context: _EditContext, cadence_id: str) -> Edit:
    name = context.org.unique_name(generate.cadence_name(context.rng))
    return rename(context.org, cadence_id, name, now=context.now, by=context.by)


def _change_counts(context: _EditContext, cadence_id: str) -> Edit:
    former = context.org.cadences[cadence_id].counts
    counts = former
    while counts == former:
        counts = generate.counts(context.rng)
    return change_counts(context.org, cadence_id, counts, now=context.now, by=context.by)


def _change_execution(context: _EditContext, cadence_id: str) -> Edit:
    former = context.org.cadences[cadence_id].execution
    execution = generate.execution(context.rng, context.now)
    while former is not None and _seen_in_lists(execution) == _seen_in_lists(former):
        execution = generate.execution(context.rng, context.now)
    return change_execution(context.org, cadence_id, execution, now=context.now, by=context.by)


def _create(context: _EditContext, _cadence_id: str) -> Edit:
    return create(context.org, generate.cadence(context.org, context.rng, context.now, context.by))


def _rename_user(context: _EditContext, _cadence_id: str) -> Edit:
    user = context.rng.choice(context.org.users)
    married = f"{context.rng.choice(generate.LAST_NAMES)}-{user.name.split()[-1].split('-')[-1]}"
    return rename_user(context.org, user.id, f"{user.name.split()[0]} {married}")


def _rename_view(context: _EditContext, _cadence_id: str) -> Edit:
    view = context.rng.choice(context.org.views)
    number = context.rng.randrange(2, 1000)
    return rename_view(context.org, view.id, f"{view.name.split(' #')[0]} #{number}")


def _seen_in_lists(execution: Execution) -> tuple[str, int | None, str]:
    return execution.period, execution.unit, execution.end_date


def _always(_cadence: Cadence) -> bool:
    return True


def _never(_cadence: Cadence) -> bool:
    return False


_KINDS: dict[str, _EditKind] = {
    "rename": _EditKind(18, _always, _rename),
    "activate": _EditKind(
        12,
        lambda cadence: cadence.status == "inactive",
        lambda context, cadence_id: activate(context.org, cadence_id, now=context.now, by=context.by),
    ),
    "deactivate": _EditKind(
        12,
        lambda cadence: cadence.active,
        lambda context, cadence_id: deactivate(context.org, cadence_id, now=context.now, by=context.by),
    ),
    "publish": _EditKind(
        6,
        lambda cadence: not cadence.published or cadence.draft is not None,
        lambda context, cadence_id: publish(context.org, cadence_id, now=context.now, by=context.by),
    ),
    "change_counts": _EditKind(18, _always, _change_counts),
    "change_execution": _EditKind(14, lambda cadence: cadence.view is not None, _change_execution),
    "create": _EditKind(8, _never, _create),
    "delete": _EditKind(5, _always, lambda context, cadence_id: delete(context.org, cadence_id)),
    "restore": _EditKind(2, _never, lambda context, cadence_id: restore(context.org, cadence_id)),
    "rename_user": _EditKind(3, _never, _rename_user),
    "rename_view": _EditKind(2, _never, _rename_view),
}

EDIT_KINDS = tuple(_KINDS)
"""The names of all kinds of edit."""


def make_random_edits(org: SimOrg, count: int, now: datetime, rng: random.Random) -> list[Edit]:
    """Make so many edits, all at `now`, by random users."""
    return [_draw(org, now, rng) for _ in range(count)]


def make_random_edit(org: SimOrg, kind: str, now: datetime, rng: random.Random, cadence_id: str | None = None) -> Edit:
    """Make one edit of this kind, to this cadence or to one that it fits; raises `EditError` if none does."""
    if kind not in _KINDS:
        raise EditError(f"no edit {kind!r}: there are {', '.join(EDIT_KINDS)}")
    chosen = cadence_id or _choose(org, kind, rng)
    if chosen is None:
        raise EditError(f"no cadence that {kind!r} fits")
    return _KINDS[kind].run(_EditContext(org, now, rng.choice(org.users), rng), chosen)


def _draw(org: SimOrg, now: datetime, rng: random.Random) -> Edit:
    weights = [kind.weight for kind in _KINDS.values()]
    while True:
        (kind,) = rng.choices(EDIT_KINDS, weights)
        chosen = _choose(org, kind, rng)
        if chosen is not None:
            return make_random_edit(org, kind, now, rng, chosen)


def _choose(org: SimOrg, kind: str, rng: random.Random) -> str | None:
    """Return the id of a cadence that the kind fits, "" where it takes none, None where nothing fits."""
    if kind == "restore":
        return rng.choice(list(org.deleted)) if org.deleted else None
    if _KINDS[kind].fits is _never:
        return ""
    live = list(org.cadences.values())
    for _ in range(_TRIES if live else 0):  # cheaper than filtering 100,000 cadences for every edit
        cadence = rng.choice(live)
        if _KINDS[kind].fits(cadence):
            return cadence.id
    fitting = [cadence.id for cadence in live if _KINDS[kind].fits(cadence)]
    return rng.choice(fitting) if fitting else None
