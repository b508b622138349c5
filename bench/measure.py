"""Runs a command as a process and reads its cost from the operating system."""

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median


@dataclass(frozen=True)
class Taken:
    """The cost of a run: wall-clock seconds, processor seconds, peak megabytes."""

    wall: float
    cpu: float
    peak_mb: float

    def to_json(self) -> dict[str, float]:
        """Returns the figures by name."""
        return {name: round(value, 4) for name, value in asdict(self).items()}


def run(command: Sequence[str], env: Mapping[str, str]) -> tuple[Taken, str]:
    """Runs a command that must succeed; returns its cost and its output."""
    began = time.perf_counter()
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # noqa: S603
    out, err = process.stdout, process.stderr
    if out is None or err is None:
        raise RuntimeError("a process has the pipes that it was given")
    printed, complaints = out.read(), err.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{printed}\n{complaints}")
    return Taken(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024), printed


def middle(runs: Sequence[Taken]) -> Taken:
    """Returns the median of each figure."""
    return Taken(median(r.wall for r in runs), median(r.cpu for r in runs), median(r.peak_mb for r in runs))
