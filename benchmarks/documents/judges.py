"""Planted failures that the judges detect, their rates of false alarms, and their times."""

from __future__ import annotations

from typing import Any

from benchmarks.judges import tables
from benchmarks.judges.panel import JUDGES
from benchmarks.tables import table


def failures(found: dict[str, Any]) -> str:
    """Return which judges detect which failure, and from which number of events."""
    record = found["judges"]
    sizes = sorted({one["smallest_size"] for row in record["detection"].values() for one in row.values()} - {None})
    rows = []
    for name, title in record["failures"].items():
        seen = record["detection"][name]
        by_size = [
            ", ".join(JUDGES[judge].title for judge in JUDGES if judge in seen and seen[judge]["smallest_size"] == size)
            for size in sizes
        ]
        rows.append((f"**{tables.spoken(name)}**: {title}", *(judges or "–" for judges in by_size)))
    first, *others = (f"{size:,}" for size in sizes)
    heads = (f"seen with {first} events of each sample", *(f"first with {size}" for size in others))
    return table(("planted failure", *heads), rows)


def false_alarms(found: dict[str, Any]) -> str:
    """Return each judge's rate of false alarms on samples of one distribution, in two columns."""
    cells = [
        (JUDGES[name].title, f"{100 * one['rate']:.1f} ± {100 * one['error']:.1f} %")
        for name, one in found["judges"]["false_alarms"].items()
    ]
    half = -(-len(cells) // 2)
    right = [*cells[half:], *[("", "")] * (2 * half - len(cells))]
    heads = ("judge", "false alarms")
    return table((*heads, "", *heads), [(*a, "", *b) for a, b in zip(cells[:half], right, strict=True)])


def closed_forms(found: dict[str, Any]) -> str:
    """Return distances of Gaussians and their formulas."""
    made = tables.closed_forms(found["judges"])
    return table(made.columns, made.rows)


def times(found: dict[str, Any]) -> str:
    """Return the time of each judge."""
    made = tables.speed(found["judges"])
    return f"{made.title[0].upper()}{made.title[1:]}:\n\n{table(made.columns, made.rows)}"
