"""Planted failures that the judges detect, their rates of false alarms, and their times."""

from __future__ import annotations

from typing import Any

from benchmarks.judges import tables
from benchmarks.judges.panel import JUDGES, TIMED
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


def ranking(found: dict[str, Any]) -> str:
    """Return the judges by the share of planted failures that they see, with the time that this takes."""
    record = found["judges"]
    seconds = {name: one["processor_seconds"] for name, one in record["speed"]["judges"].items()}
    sizes = sorted(int(size) for size in record["seeds"])
    ranked = []
    for judge, one in JUDGES.items():
        rows = [row[judge] for name, row in record["detection"].items() if name != "null" and judge in row]
        shares = [
            sum(row["seen"][str(n)] for row in rows) / max(1, sum(row["seeds"][str(n)] for row in rows)) for n in sizes
        ]
        draws = sum(row["seeds"][str(sizes[1])] for row in rows)
        if TIMED[judge] in seconds and draws:
            ranked.append((one.title, shares, draws, TIMED[judge], seconds[TIMED[judge]]))
    ranked.sort(key=lambda row: (-row[1][1], row[4]))
    rows = []
    for title, shares, draws, timed, cost in ranked:
        error = (shares[1] * (1 - shares[1]) / draws) ** 0.5
        best = not any(other[1][1] >= shares[1] and other[4] < cost for other in ranked)
        middle = f"{100 * shares[1]:.0f} ± {100 * max(error, 0.5 / draws):.0f} %"
        rows.append(
            (
                f"**{title}**" if best else title,
                f"{100 * shares[0]:.0f} %",
                middle,
                *(f"{100 * share:.0f} %" for share in shares[2:]),
                f"{cost:.1f}",
                timed,
            )
        )
    heads = [f"seen with {n:,} events" for n in sizes]
    return table(("judge", *heads, "processor [s]", "timed together"), rows)


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
