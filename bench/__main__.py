"""`make bench`: every case and every figure in one go; prints tables and writes the raw results as JSON."""

import argparse
import asyncio
import json
import os
import platform
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.cases import CASES, Case
from bench.figures import in_the_daemon, long_history, memory, side_by_side
from bench.measure import Taken, middle
from bench.place import database, place


async def contest(rounds: int, url: str, folder: Path) -> list[dict[str, Any]]:
    """Runs all cases; returns medians, ratios and raw runs."""
    results = []
    for case in CASES:
        async with place(url, folder, case.cadences) as found:
            taken = await case.contest(found, rounds)
        results.append(_result(case, taken))
        Console(stderr=True).print(f"{case.name}: {results[-1]['ratios']}")
    return results


def _result(case: Case, taken: dict[str, list[Taken]]) -> dict[str, Any]:
    medians = {name: middle(runs) for name, runs in taken.items()}
    wall = {name: taken.wall for name, taken in medians.items()}
    return {
        "case": case.name,
        "goals": {"faster_than_dlt": case.faster, "times_the_floor": case.floor},
        "ratios": {
            "faster_than_dlt": round(wall["dlt"] / wall["product"], 2),
            "times_the_floor": round(wall["product"] / wall["floor"], 2),
        },
        "medians": {name: each.to_json() for name, each in medians.items()},
        "runs": {name: [each.to_json() for each in runs] for name, runs in taken.items()},
    }


def show(results: list[dict[str, Any]]) -> None:
    table = Table("case", "product", "dlt", "floor", "times faster than dlt", "times the floor", "peak, dlt's")
    for result in results:
        seconds = [f"{result['medians'][name]['wall']:.2f} s" for name in ("product", "dlt", "floor")]
        ratios = [str(result["ratios"][name]) for name in ("faster_than_dlt", "times_the_floor")]
        peaks = [f"{result['medians'][name]['peak_mb']:.0f}" for name in ("product", "dlt")]
        table.add_row(result["case"], *seconds, *ratios, f"{peaks[0]} MB, {peaks[1]} MB")
    Console().print(table)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--out", type=Path, default=Path("bench/results.json"))
    arguments = parser.parse_args()
    with database() as (url, folder):
        results: dict[str, Any] = {
            "machine": {"python": platform.python_version(), "cores": os.cpu_count()},
            "contest": await contest(arguments.rounds, url, folder),
            "daemon": await in_the_daemon(url, folder),
            "side_by_side": await side_by_side(url, folder, arguments.rounds),
            "long_history": await long_history(url, folder, arguments.rounds),
            "memory": await memory(url, folder, arguments.memory),
        }
    show(results["contest"])
    Console().print_json(
        json.dumps({name: results[name] for name in ("daemon", "side_by_side", "long_history", "memory")})
    )
    arguments.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
