"""What the judges see of planted failures, how often they accuse a perfect sample, and what they cost."""

from __future__ import annotations

from typing import Any

from benchmarks.documents.markdown import table
from benchmarks.judges.panel import JUDGES


def failures(found: dict[str, Any]) -> str:
    """Return which judges see which failure, by the number of events at which they first do."""
    record = found["judges"]
    sizes = sorted({one["smallest_size"] for row in record["detection"].values() for one in row.values()} - {None})
    rows = []
    for name, title in record["failures"].items():
        seen = record["detection"][name]
        spoken = name.replace("_", " ").replace("gev", "GeV")
        by_size = [
            ", ".join(JUDGES[judge].title for judge in JUDGES if judge in seen and seen[judge]["smallest_size"] == size)
            for size in sizes
        ]
        rows.append((f"**{spoken}**: {title}", *(judges or "–" for judges in by_size)))
    first, *others = (f"{size:,}" for size in sizes)
    heads = (f"seen with {first} events of each sample", *(f"first with {size}" for size in others))
    return table(("planted failure", *heads), rows)


def false_alarms(found: dict[str, Any]) -> str:
    """Return how often each judge calls equal samples different, in two columns."""
    cells = [
        (JUDGES[name].title, f"{100 * one['rate']:.1f} ± {100 * one['error']:.1f} %")
        for name, one in found["judges"]["false_alarms"].items()
    ]
    half = -(-len(cells) // 2)
    right = [*cells[half:], *[("", "")] * (2 * half - len(cells))]
    heads = ("judge", "accused although perfect")
    return table((*heads, "", *heads), [(*a, "", *b) for a, b in zip(cells[:half], right, strict=True)])


def closed_forms(found: dict[str, Any]) -> str:
    """Return distances of Gaussians beside their formulas."""
    rows = [
        (
            one["title"],
            f"{one['n']:,}",
            f"{one['formula']:.4g}",
            f"{one['mean']:.4g} ± {one['mean_uncertainty']:.2g}",
            f"{one['pull']:+.2f} ± {one['pull_error']:.2f}",
            f"{one['pull_width']:.2f} ± {one['pull_width_error']:.2f}",
        )
        for one in found["judges"]["closed_forms"].values()
    ]
    return table(("distance", "events", "formula", "mean ± quoted error", "pull", "its width"), rows)


def times(found: dict[str, Any]) -> str:
    """Return what each judge costs."""
    speed = found["judges"]["speed"]
    said = (
        f"Seconds on {speed['events']:,} + {speed['events']:,} events of {speed['features']} features "
        f"({speed['threads']} threads, {speed['cores']} cores, load {speed['load_average']:.1f}):"
    )
    rows = [(name, f"{one['seconds']:.1f}", f"{one['processor_seconds']:.1f}") for name, one in speed["judges"].items()]
    total = [sum(one[key] for one in speed["judges"].values()) for key in ("seconds", "processor_seconds")]
    return f"{said}\n\n" + table(
        ("judge", "wall [s]", "processor [s]"), [*rows, ("all", *(f"{value:.1f}" for value in total))]
    )
