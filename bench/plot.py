"""Draws the table of `bench/results.json` as docs/images/bench.svg."""

import json
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "cadence-sync"  # the same figures make the same file
from matplotlib import pyplot as plt  # noqa: E402 - behind the choice of what draws

ROOT = Path(__file__).parents[1]
COLORS = {"product": "#2563eb", "dlt": "#9ca3af", "floor": "#10b981"}
LABELS = {"product": "cadence-sync", "dlt": "dlt 1.31 (scd2)", "floor": "the floor: fetch, decode, hash (and COPY)"}


def main() -> None:
    results: list[dict[str, Any]] = json.loads((ROOT / "bench/results.json").read_text())["contest"]
    figure, axes = plt.subplots(figsize=(8, 0.9 * len(results) + 1.2))
    for place, result in enumerate(reversed(results)):
        for shift, name in enumerate(("floor", "dlt", "product")):
            seconds = result["medians"][name]["wall"]
            label = LABELS[name] if place == 0 else None
            axes.barh(place + (shift - 1) * 0.26, seconds, 0.24, color=COLORS[name], label=label)
            axes.text(seconds, place + (shift - 1) * 0.26, f" {seconds:.1f} s", va="center", fontsize=8)
    axes.set_yticks(range(len(results)), [result["case"] for result in reversed(results)])
    axes.set_xlabel("seconds, whole process, median")
    axes.margins(x=0.12)
    axes.spines[["top", "right"]].set_visible(False)
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles[::-1], labels[::-1], loc="lower right", fontsize=8, frameon=False)
    figure.tight_layout()
    target = ROOT / "docs/images/bench.svg"
    target.parent.mkdir(exist_ok=True)
    figure.savefig(target, metadata={"Date": None})


if __name__ == "__main__":
    main()
