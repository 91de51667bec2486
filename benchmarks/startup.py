"""The time until ``import simulacra`` and ``simulacra --help`` are done, each in a Python of its own.

Run: ``make bench-startup``. A run of each, and of Python alone, in turn, after one that warms the disk's cache.
Beside the clock's time stands the processor's, which other programs on the machine hardly change.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from benchmarks.machine import processor
from benchmarks.records import write_record
from benchmarks.tables import Table
from rich.console import Console

from simulacra.training.checkpoint import versions
from simulacra.wording import with_error

RUNS: Final[dict[str, tuple[str, ...]]] = {
    "python -c pass": ("-c", "pass"),
    "import simulacra": ("-c", "import simulacra"),
    "simulacra --help": ("-m", "simulacra", "--help"),
    "simulacra --version": ("-m", "simulacra", "--version"),
}
#: largest medians asked for [s]
GOALS: Final = {"import simulacra": 0.5, "simulacra --help": 1.0}


def seconds_of(words: tuple[str, ...]) -> tuple[float, float]:
    """Return the clock's and the processor's seconds that Python takes for some words, from its start to its end."""
    begun, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *words], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - begun, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def summary(seconds: list[float], rng: np.random.Generator) -> dict[str, float]:
    """Return the median of some times with its error by bootstrap, and the best."""
    drawn = np.median(rng.choice(seconds, (1000, len(seconds))), axis=1)
    return {"median": float(np.median(seconds)), "error": float(drawn.std()), "best": min(seconds)}


HEADS: Final = ("", "processor [s]", "clock [s]", "clock, fastest [s]", "goal [s]")


def rows(found: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Return the rows of the table of the results."""
    return [
        (
            name,
            with_error(one["cpu"]["median"], one["cpu"]["error"]),
            with_error(one["clock"]["median"], one["clock"]["error"]),
            f"{one['clock']['best']:.2f}",
            "" if one["goal"] is None else f"{one['goal']:.1f}",
        )
        for name, one in found.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15, help="runs of each")
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/results/startup.json"))
    arguments = parser.parse_args()
    for words in RUNS.values():
        seconds_of(words)
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in RUNS}
    for _ in range(arguments.repeats):
        for name, words in RUNS.items():
            taken[name].append(seconds_of(words))
    rng = np.random.default_rng(1)
    found = {}
    for name, pairs in taken.items():
        clock, cpu = (summary(list(seconds), rng) for seconds in zip(*pairs, strict=True))
        found[name] = {"clock": clock, "cpu": cpu, "goal": GOALS.get(name)}
    Console().print(Table("Start", HEADS, rows(found)).printed())
    load = os.getloadavg()[0]
    record = {
        "runs": found,
        "repeats": arguments.repeats,
        "load": load,
        "processor": processor(),
        "versions": versions(),
    }
    write_record(arguments.output, record)


if __name__ == "__main__":
    main()
