"""The tables of docs/service.md."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from benchmarks.tables import table

FORMATS: Final = {"arrow": "Arrow", "npz": "npz"}


def latency(found: dict[str, Any]) -> str:
    """Return the times of requests at each rate: the median of the runs, and their range."""
    record = found["service"]
    rows = []
    for mode, form, asked in dict.fromkeys((run["mode"], run["format"], run["asked"]) for run in record["runs"]):
        same = [run for run in record["runs"] if (run["mode"], run["format"], run["asked"]) == (mode, form, asked)]
        quantiles = (_ranged([run["quantiles"][q] for run in same]) for q in same[0]["quantiles"])
        shared = np.median([run["requests_per_evaluation"] for run in same])
        work = (_ranged([run[what] for run in same]) for what in ("service_ms", "asking_ms"))
        failed = f"{sum(run['failed'] for run in same)} of {record['number'] * len(same):,}"
        load = f"{np.median([run['load'] for run in same]):.1f}"
        rows.append((mode, FORMATS[form], f"{asked:g}", *quantiles, f"{shared:.2f}", failed, *work, load))
    heads = ("evaluated", "format", "requests a second", "median [ms]", "90 % [ms]", "99 % [ms]")
    work_heads = ("processor of the service, per request [ms]", "of what asks [ms]")
    heads = (*heads, "requests in one evaluation", "failed", *work_heads, "load average")
    return table(heads, rows)


def most(found: dict[str, Any]) -> str:
    """Return how many requests a second are answered at most."""
    record = found["service"]
    rows = []
    for mode, form in dict.fromkeys((run["mode"], run["format"]) for run in record["most"]):
        rates = [run["rate"] for run in record["most"] if (run["mode"], run["format"]) == (mode, form)]
        rows.append((mode, FORMATS[form], _ranged(rates, 0)))
    return table(("evaluated", "format", f"requests a second, {record['at_once']} at once"), rows)


def _ranged(values: list[float], digits: int = 1) -> str:
    """Return the median of runs with the lowest and the highest of them."""
    low, middle, high = (f"{x:,.{digits}f}" for x in (min(values), np.median(values), max(values)))
    return f"{middle} ({low} to {high})"
