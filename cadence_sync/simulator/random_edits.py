"""Edits at random, in the proportions of an organization at work; the same generator makes the same edits."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from cadence_sync.simulator import edits, generate, names
from cadence_sync.simulator.edits import Edit, EditError
from cadence_sync.simulator.org import SimOrg
from cadence_sync.simulator.records import Cadence, Execution, User

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
    name = context.org.unique_name(names.cadence_name(context.rng))
    return edits.rename(context.org, cadence_id, name, now=context.now, by=context.by)


def _change_counts(context: _EditContext, cadence_id: str) -> Edit:
    former = context.org.cadences[cadence_id].counts
    counts = former
    while counts == former:
        counts = generate.counts(context.rng)
    return edits.change_counts(context.org, cadence_id, counts, now=context.now, by=context.by)


def _change_execution(context: _EditContext, cadence_id: str) -> Edit:
    former = context.org.cadences[cadence_id].execution
    execution = generate.execution(context.rng, context.now)
    while former is not None and _seen_in_lists(execution) == _seen_in_lists(former):
        execution = generate.execution(context.rng, context.now)
    return edits.change_execution(context.org, cadence_id, execution, now=context.now, by=context.by)


def _create(context: _EditContext, _cadence_id: str) -> Edit:
    return edits.create(context.org, generate.cadence(context.org, context.rng, context.now, context.by))


def _rename_user(context: _EditContext, _cadence_id: str) -> Edit:
    user = context.rng.choice(context.org.users)
    married = f"{context.rng.choice(names.LAST_NAMES)}-{user.name.split()[-1].split('-')[-1]}"
    return edits.rename_user(context.org, user.id, f"{user.name.split()[0]} {married}")


def _rename_view(context: _EditContext, _cadence_id: str) -> Edit:
    view = context.rng.choice(context.org.views)
    number = context.rng.randrange(2, 1000)
    return edits.rename_view(context.org, view.id, f"{view.name.split(' #')[0]} #{number}")


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
        lambda context, cadence_id: edits.activate(context.org, cadence_id, now=context.now, by=context.by),
    ),
    "deactivate": _EditKind(
        12,
        lambda cadence: cadence.active,
        lambda context, cadence_id: edits.deactivate(context.org, cadence_id, now=context.now, by=context.by),
    ),
    "publish": _EditKind(
        6,
        lambda cadence: not cadence.published or cadence.draft is not None,
        lambda context, cadence_id: edits.publish(context.org, cadence_id, now=context.now, by=context.by),
    ),
    "change_counts": _EditKind(18, _always, _change_counts),
    "change_execution": _EditKind(14, lambda cadence: cadence.view is not None, _change_execution),
    "create": _EditKind(8, _never, _create),
    "delete": _EditKind(5, _always, lambda context, cadence_id: edits.delete(context.org, cadence_id)),
    "restore": _EditKind(2, _never, lambda context, cadence_id: edits.restore(context.org, cadence_id)),
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
