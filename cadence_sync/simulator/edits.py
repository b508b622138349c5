"""Edits of cadences over time, with the traces that Zoho leaves of them.

Every change of a cadence sets `modified_time` and `modified_by`. A new label of a user or a view does not:
Zoho shows it in every cadence that names it, and calls none of them modified.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import NamedTuple

from cadence_sync.simulator.org import LAST_NAMES, SimOrg, cadence_name, make_cadence, make_counts, make_execution
from cadence_sync.simulator.records import Cadence, Counts, Execution, User, View


class EditError(ValueError):
    """An edit that Zoho's own screens would not offer for this cadence."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A finished edit; `cadence_id` is None for a new label, which belongs to no single cadence."""

    kind: str
    cadence_id: str | None
    text: str


@dataclass(frozen=True, slots=True)
class EditContext:
    """Organization, time and author of an edit; `rng` draws the values that the caller does not give."""

    org: SimOrg
    now: datetime
    by: User
    rng: random.Random

    def sign(self, cadence: Cadence) -> None:
        cadence.modified_time = self.now.replace(microsecond=0)  # Zoho's times have no fractions of a second
        cadence.modified_by = self.by
        self.org.touch()


class _EditKind(NamedTuple):
    """One kind of edit: its share of random edits, and the cadences it fits; None if it takes no live cadence."""

    weight: int
    fits: Callable[[Cadence], bool] | None
    run: Callable[[EditContext, str], Edit]


def rename(context: EditContext, cadence_id: str, name: str | None = None) -> Edit:
    name = name or context.org.unique_name(cadence_name(context.rng))
    cadence = _live(context.org, cadence_id)
    former, cadence.name = cadence.name, name
    context.sign(cadence)
    return Edit("rename", cadence_id, f"{former!r} is now {name!r}")


def set_active(context: EditContext, cadence_id: str, *, active: bool) -> Edit:
    kind, before, after = ("activate", "inactive", "active") if active else ("deactivate", "active", "inactive")
    cadence = _live(context.org, cadence_id)
    if cadence.status != before:
        raise EditError(f"{cadence_id} is {cadence.status}: only an {before} cadence can be {kind}d")
    cadence.active = active
    context.sign(cadence)
    return Edit(kind, cadence_id, f"{cadence.name!r} is {after}")


def publish(context: EditContext, cadence_id: str) -> Edit:
    """Publishes a draft, which activates it, or merges the pending draft of a published cadence."""
    cadence = _live(context.org, cadence_id)
    if cadence.published and cadence.draft is None:
        raise EditError(f"{cadence_id} has nothing to publish")
    cadence.active = cadence.active or not cadence.published
    cadence.published = True
    cadence.draft = None
    context.sign(cadence)
    return Edit("publish", cadence_id, f"{cadence.name!r} was published")


def change_counts(context: EditContext, cadence_id: str, counts: Counts | None = None) -> Edit:
    """Sets these counts of steps; draws others if they are missing or the present ones."""
    cadence = _live(context.org, cadence_id)
    former = cadence.counts
    while counts is None or counts == former:
        counts = make_counts(context.rng)
    cadence.counts = counts
    context.sign(cadence)
    return Edit("change_counts", cadence_id, f"{cadence.name!r} has steps {_steps(counts)} instead of {_steps(former)}")


def change_execution(context: EditContext, cadence_id: str, execution: Execution | None = None) -> Edit:
    """Sets this execution; draws another if it is missing or lists could not tell it from the present one."""
    cadence = _live(context.org, cadence_id)
    former = cadence.execution
    while execution is None or (former is not None and _listed(execution) == _listed(former)):
        execution = make_execution(context.rng, context.now)
    cadence.execution = execution
    context.sign(cadence)
    every = f"every {execution.unit} {execution.period}" if execution.unit else execution.period
    end = f"until {execution.end_date}" if execution.end_date else "without end"
    return Edit("change_execution", cadence_id, f"{cadence.name!r} has execution {every}, {end}")


def create(org: SimOrg, cadence: Cadence) -> Edit:
    if cadence.id in org.cadences or cadence.id in org.deleted:
        raise EditError(f"{cadence.id} exists")
    org.cadences[cadence.id] = cadence
    org.touch()
    return Edit("create", cadence.id, f"{cadence.name!r} was created by {cadence.created_by.name}")


def delete(org: SimOrg, cadence_id: str) -> Edit:
    cadence = _live(org, cadence_id)
    org.deleted[cadence_id] = org.cadences.pop(cadence_id)
    org.touch()
    return Edit("delete", cadence_id, f"{cadence.name!r} was deleted")


def restore(org: SimOrg, cadence_id: str) -> Edit:
    """Restores a deleted cadence with the modified time that it had."""
    if cadence_id not in org.deleted:
        raise EditError(f"{cadence_id} was not deleted")
    cadence = org.deleted.pop(cadence_id)
    org.cadences[cadence_id] = cadence
    org.touch()
    return Edit("restore", cadence_id, f"{cadence.name!r} is back")


def relabel(label: User | View, name: str) -> Edit:
    kind = "user" if isinstance(label, User) else "view"
    former, label.name = label.name, name
    return Edit(f"rename_{kind}", None, f"{kind} {former!r} is now {name!r}")


def _live(org: SimOrg, cadence_id: str) -> Cadence:
    if cadence_id not in org.cadences:
        raise EditError(f"no cadence {cadence_id}")
    return org.cadences[cadence_id]


def _steps(counts: Counts) -> str:
    return f"{counts.email} mail, {counts.task} task, {counts.call} call, {counts.whatsapp} WhatsApp"


def _listed(execution: Execution) -> tuple[str, int | None, str]:
    return execution.period, execution.unit, execution.end_date


def _create_random(context: EditContext, _cadence_id: str) -> Edit:
    return create(context.org, make_cadence(context.org, context.rng, context.now, context.by))


def _rename_random_user(context: EditContext, _cadence_id: str) -> Edit:
    user = context.rng.choice(context.org.users)
    married = f"{context.rng.choice(LAST_NAMES)}-{user.name.split()[-1].split('-')[-1]}"
    return relabel(user, f"{user.name.split()[0]} {married}")


def _rename_random_view(context: EditContext, _cadence_id: str) -> Edit:
    view = context.rng.choice(context.org.views)
    number = context.rng.randrange(2, 1000)
    return relabel(view, f"{view.name.split(' #')[0]} #{number}")


def _any(_cadence: Cadence) -> bool:
    return True


_KINDS: dict[str, _EditKind] = {
    "rename": _EditKind(18, _any, rename),
    "activate": _EditKind(12, lambda cadence: cadence.status == "inactive", partial(set_active, active=True)),
    "deactivate": _EditKind(12, lambda cadence: cadence.active, partial(set_active, active=False)),
    "publish": _EditKind(6, lambda cadence: not cadence.published or cadence.draft is not None, publish),
    "change_counts": _EditKind(18, _any, change_counts),
    "change_execution": _EditKind(14, lambda cadence: cadence.view is not None, change_execution),
    "create": _EditKind(8, None, _create_random),
    "delete": _EditKind(5, _any, lambda context, cadence_id: delete(context.org, cadence_id)),
    "restore": _EditKind(2, None, lambda context, cadence_id: restore(context.org, cadence_id)),
    "rename_user": _EditKind(3, None, _rename_random_user),
    "rename_view": _EditKind(2, None, _rename_random_view),
}
EDIT_KINDS = tuple(_KINDS)


def make_random_edits(org: SimOrg, count: int, now: datetime, rng: random.Random) -> list[Edit]:
    return [_draw(org, now, rng) for _ in range(count)]


def make_random_edit(org: SimOrg, kind: str, now: datetime, rng: random.Random, cadence_id: str | None = None) -> Edit:
    """Makes an edit of this kind to the given or a random cadence; raises `EditError` if it fits none."""
    if kind not in _KINDS:
        raise EditError(f"no edit {kind!r}: there are {', '.join(EDIT_KINDS)}")
    chosen = cadence_id or _choose(org, kind, rng)
    if chosen is None:
        raise EditError(f"no cadence that {kind!r} fits")
    return _KINDS[kind].run(EditContext(org, now, rng.choice(org.users), rng), chosen)


def _draw(org: SimOrg, now: datetime, rng: random.Random) -> Edit:
    weights = [kind.weight for kind in _KINDS.values()]
    while True:
        (kind,) = rng.choices(EDIT_KINDS, weights)
        chosen = _choose(org, kind, rng)
        if chosen is not None:
            return make_random_edit(org, kind, now, rng, chosen)


def _choose(org: SimOrg, kind: str, rng: random.Random) -> str | None:
    """Returns the id of a cadence that the kind fits, "" if it takes none, None if it fits none."""
    if kind == "restore":
        return rng.choice(list(org.deleted)) if org.deleted else None
    fits = _KINDS[kind].fits
    if fits is None:
        return ""
    live = list(org.cadences.values())
    for _ in range(20 if live else 0):  # cheaper than filtering 100,000 cadences for every edit
        cadence = rng.choice(live)
        if fits(cadence):
            return cadence.id
    fitting = [cadence.id for cadence in live if fits(cadence)]
    return rng.choice(fitting) if fitting else None
