"""Each judge's rate of false alarms on a perfect generator: truth against truth, drawn each time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from benchmarks.judges.detection import suffix
from benchmarks.judges.panel import JUDGES, LEVEL, judged

DRAWS: Final = 200
EVENTS: Final = 1_000
DRAWS_A_STAGE: Final = 5
FIRST_SEED: Final = 1_000
#: in standard deviations: a judge further than this from its rate is marked
FAR: Final = 2.0


def false_alarms(_folder: Path, n: int, first_seed: int, draws: int, only: str | None = None) -> dict[str, Any]:
    """Return the p-values of all judges, or of one, on draws of truth against truth, n events of each sample."""
    found = [judged("null", n, first_seed + k, only) for k in range(draws)]
    return {"n": n, "p_values": {judge: [one[judge] for one in found] for judge in found[0]}}


def stages(n: int, draws: int, only: str | None = None) -> dict[str, tuple[Any, ...]]:
    """Return the stages, ``DRAWS_A_STAGE`` draws in each."""
    starts = range(0, draws, DRAWS_A_STAGE)
    return {
        f"null-{k:03d}{suffix(only)}": (false_alarms, n, FIRST_SEED + k, min(DRAWS_A_STAGE, draws - k), only)
        for k in starts
    }


def summary(found: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Return each judge's rate, its binomial error at the nominal rate, and whether it is far from that."""
    nulls = [stage for name, stage in found.items() if name.startswith("null-")]
    table: dict[str, Any] = {}
    for name, judge in ((name, JUDGES[name]) for name in (nulls[0]["p_values"] if nulls else ())):
        p = np.concatenate([stage["p_values"][name] for stage in nulls])
        rate, error = float(np.mean(p <= LEVEL)), float(np.sqrt(judge.level * (1 - judge.level) / len(p)))
        table[name] = {
            "draws": len(p),
            "alarms": int(np.count_nonzero(p <= LEVEL)),
            "rate": rate,
            "nominal": judge.level,
            "error": error,
            "far": bool(abs(rate - judge.level) > FAR * error),
            "mean_p_value": float(p.mean()),
        }
    return table
