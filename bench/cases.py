"""The cases: preparation, timed commands, goals."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bench.measure import Taken
from bench.place import Place

Contest = Callable[[Place, int], Awaitable[dict[str, list[Taken]]]]


@dataclass(frozen=True)
class Case:
    """One row of the table; `faster` than dlt at least, `floor` times the floor at most."""

    name: str
    cadences: int
    contest: Contest
    faster: float | None = None
    floor: float | None = None


async def first_load(place: Place, rounds: int) -> dict[str, list[Taken]]:
    """Starts from an empty database."""
    taken: dict[str, list[Taken]] = {"product": [], "dlt": [], "floor": []}
    for _ in range(rounds):
        await place.empty()
        taken["product"].append(place.product()[0])
        await place.dump()
        taken["dlt"].append(place.dlt())
        await place.empty_floor()
        taken["floor"].append(place.floor(load=True))
    return taken


async def unchanged(place: Place, rounds: int) -> dict[str, list[Taken]]:
    """The stored listing comes again."""
    return await _changing(place, rounds, ["base"])


async def one_percent(place: Place, rounds: int) -> dict[str, list[Taken]]:
    """Each run finds one cadence in a hundred renamed, or renamed back."""
    return await _changing(place, rounds, ["one-percent", "base"])


async def everything(place: Place, rounds: int) -> dict[str, list[Taken]]:
    """Each run finds every cadence renamed, or renamed back."""
    return await _changing(place, rounds, ["all", "base"])


async def _changing(place: Place, rounds: int, variants: list[str]) -> dict[str, list[Taken]]:
    place.ask("/variant/base")
    await place.empty()
    place.product()
    place.dlt()
    taken: dict[str, list[Taken]] = {"product": [], "dlt": [], "floor": []}
    for number in range(rounds):
        place.ask(f"/variant/{variants[number % len(variants)]}")
        await place.execute("CHECKPOINT")
        place.ask("/calls")
        ran, printed = place.product()
        calls = int(place.ask("/calls"))
        if calls != place.pages or json.loads(printed)[0]["api_calls"] != calls:
            raise RuntimeError(f"{calls} calls for {place.pages} pages")
        taken["product"].append(ran)
        taken["dlt"].append(place.dlt())
        taken["floor"].append(place.floor())
    return taken


CASES = [
    Case("100,000 cadences, first load", 100_000, first_load, faster=5, floor=1.6),
    Case("100,000, nothing changed", 100_000, unchanged, faster=15, floor=1.3),
    Case("100,000, 1 % changed", 100_000, one_percent, faster=12),
    Case("100,000, all changed", 100_000, everything, faster=3),
    Case("400, nothing changed", 400, unchanged, faster=2),
]
