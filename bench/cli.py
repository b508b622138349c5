"""`make bench-cli`: the time of short commands from start to end, next to a bare start of the interpreter.

The runs take turns, so that a slow moment of the machine meets all of them. A goal that is missed is exit code 1.
"""

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from bench.measure import Taken, run
from bench.place import Place, database, place

ROUNDS = 11
CADENCES = 400


@dataclass(frozen=True)
class Goal:
    """A command and its limit in seconds; the interpreter has none."""

    name: str
    start: Callable[[Place], Taken]
    most: float | None


def _bare(found: Place) -> Taken:
    return run([sys.executable, "-c", "pass"], found.environment())[0]


GOALS = (
    Goal("a bare interpreter", _bare, None),
    Goal("cadence-sync --help", lambda found: found.product("--help")[0], 0.6),
    Goal("cadence-sync sync --help", lambda found: found.product("sync", "--help")[0], 0.6),
    Goal("cadence-sync status", lambda found: found.product("status")[0], 1.2),
)


def measured(found: Place, rounds: int) -> dict[str, list[Taken]]:
    """Runs all commands in turn, after one uncounted round."""
    for goal in GOALS:
        goal.start(found)
    taken: dict[str, list[Taken]] = {goal.name: [] for goal in GOALS}
    for _ in range(rounds):
        for goal in GOALS:
            taken[goal.name].append(goal.start(found))
    return taken


async def main() -> int:
    """Prints every figure with its goal; returns 1 if one is missed."""
    with database() as (url, folder):
        async with place(url, folder, CADENCES) as found:
            found.product()
            taken = await asyncio.to_thread(measured, found, ROUNDS)
    bare, kept = median(each.wall for each in taken[GOALS[0].name]), True
    for goal in GOALS:
        walls = [each.wall for each in taken[goal.name]]
        middle = median(walls)
        missed = goal.most is not None and middle > goal.most
        kept = kept and not missed
        said = f"{middle:.3f} s (from {min(walls):.3f} to {max(walls):.3f}), {middle / bare:.1f} bare starts"
        print(
            f"{'OVER' if missed else 'ok  '}  {goal.name}: {said}" + (f" (at most {goal.most} s)" if goal.most else "")
        )
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
