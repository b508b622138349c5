"""Figures of the product alone: processor time in the daemon, pages side by side, memory, calls, long histories."""

import json
import sys
from pathlib import Path
from statistics import median
from typing import Any

from bench.measure import run
from bench.place import Place, place

LATENCY = 0.3
VERSIONS = 100
DEEPEN = f"""
    BEGIN;
    UPDATE cadence_sync.cadence_versions SET valid_to = valid_from + interval '1 second' WHERE version = 1;
    INSERT INTO cadence_sync.cadence_versions
        (org_id, cadence_id, version, kind, valid_from, valid_to, observed_at, document, raw, run_id)
    SELECT org_id, cadence_id, n, 'updated', valid_from + (n - 1) * interval '1 second',
        CASE WHEN n < {VERSIONS} THEN valid_from + n * interval '1 second' END, observed_at, document, raw, run_id
    FROM cadence_sync.cadence_versions, generate_series(2, {VERSIONS}) AS n WHERE version = 1;
    UPDATE cadence_sync.cadences SET version = {VERSIONS};
    COMMIT
"""


async def in_the_daemon(url: str, folder: Path) -> dict[str, Any]:
    """400 cadences, nothing changed, in a process that runs already."""
    async with place(url, folder, 400) as found:
        found.product()
        _, printed = run([sys.executable, "-m", "bench.daemon"], found.environment())
        figures: dict[str, Any] = json.loads(printed)
    return figures


async def side_by_side(url: str, folder: Path, rounds: int) -> dict[str, Any]:
    """400 cadences, 50 a page, 300 ms a page, nothing changed: seconds of the run."""
    async with place(url, folder, 400, 50) as found:
        found.product()
        found.ask(f"/latency/{LATENCY}")
        found.ask("/calls")
        reports = [json.loads(found.product()[1])[0] for _ in range(rounds)]
        calls = int(found.ask("/calls")) / rounds
    return {"seconds": median(r["duration_seconds"] for r in reports), "calls": calls, "pages": 8}


async def memory(url: str, folder: Path, sizes: list[int]) -> list[dict[str, Any]]:
    """Megabytes at the peak of a first load and of an unchanged run."""
    figures = []
    for size in sizes:
        async with place(url, folder, size) as found:
            first, again = found.product()[0], found.product()[0]
        figures.append({"cadences": size, "first_mb": first.peak_mb, "unchanged_mb": again.peak_mb})
    return figures


async def long_history(url: str, folder: Path, rounds: int, cadences: int = 10_000) -> dict[str, Any]:
    """Seconds with 1 version a cadence and with 100."""
    figures: dict[str, Any] = {"cadences": cadences}
    for name, statements in (("with_1", []), (f"with_{VERSIONS}", [DEEPEN])):
        async with place(url, folder, cadences) as found:
            found.product()
            await found.execute(*statements, "VACUUM ANALYZE")
            figures[name] = await _runs(found, rounds)
    return figures


async def _runs(found: Place, rounds: int) -> dict[str, float]:
    seconds: dict[str, list[float]] = {"unchanged": [], "one_percent": []}
    for variant in ["base", "one-percent"] * rounds:
        found.ask(f"/variant/{variant}")
        found.product()  # to what is listed now
        seconds["unchanged"].append(found.product()[0].wall)
        found.ask("/variant/one-percent-again")
        seconds["one_percent"].append(found.product()[0].wall)
    return {name: median(each) for name, each in seconds.items()}
