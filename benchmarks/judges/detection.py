"""The sample size at which each judge detects each planted failure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from benchmarks.judges.panel import LEVEL, judged
from benchmarks.judges.planted import FAILURES

SIZES: Final = (1_000, 4_000, 16_000)
SEEDS: Final = (5, 5, 3)


def detection(_folder: Path, failure: str, n: int, seed: int, only: str | None = None) -> dict[str, Any]:
    """Return the findings of all judges, or of one, on one draw of a failure, with n events of each sample."""
    return {"failure": failure, "n": n, "seed": seed, "p_values": judged(failure, n, seed, only)}


def stages(seeds: Mapping[int, int], only: str | None = None) -> dict[str, tuple[Any, ...]]:
    """Return the stages, one for each failure, size and seed, from the number of seeds of each size."""
    return {
        f"detect-{failure}-{n}-{seed}{suffix(only)}": (detection, failure, n, seed, only)
        for n, most in seeds.items()
        for seed in range(1, most + 1)
        for failure in FAILURES
    }


def summary(found: Mapping[str, dict[str, Any]], sizes: tuple[int, ...], level: float = LEVEL) -> dict[str, Any]:
    """Return, by failure and judge, the number of seeds with a detection at each size, and the smallest size with half.

    At all sizes from the smallest one on, at least half of the seeds detect the failure.
    """
    draws = [stage for name, stage in found.items() if name.startswith("detect-")]
    table: dict[str, Any] = {}
    for failure in dict.fromkeys(stage["failure"] for stage in draws):
        table[failure] = {}
        for judge in draws[0]["p_values"]:
            ps = {n: [s["p_values"][judge] for s in draws if (s["failure"], s["n"]) == (failure, n)] for n in sizes}
            seen = {n: int(np.count_nonzero(np.array(p) <= level)) for n, p in ps.items() if p}
            table[failure][judge] = {
                "seen": {str(n): k for n, k in seen.items()},
                "seeds": {str(n): len(ps[n]) for n in seen},
                "median_p_value": {str(n): float(np.median(ps[n])) for n in seen},
                "smallest_size": _smallest({n: 2 * k >= len(ps[n]) for n, k in seen.items()}),
            }
    return table


def suffix(only: str | None) -> str:
    """Return the end of the names of stages of only one judge."""
    return "" if only is None else f"-{only}"


def _smallest(seen: dict[int, bool]) -> int | None:
    smallest = None
    for n in sorted(seen, reverse=True):
        if not seen[n]:
            break
        smallest = n
    return smallest
