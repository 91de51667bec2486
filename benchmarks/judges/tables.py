"""The results of the benchmark of the judges, as tables."""

from __future__ import annotations

from typing import Any, Final

from benchmarks.judges.panel import JUDGES
from benchmarks.tables import Table
from rich.console import Console

SAID: Final = """\
A judge sees a failure if its p-value is 0.05 or less in half of the seeds or more, at that size and all larger ones;
"-" where it does not at any size. Seeds: {seeds}. There are as many generated and as many training events as truth
events. Judges of single observables are corrected for the number of observables (Bonferroni, 999 permutations); the
others give one p-value for all that they look at. The alarm of modes is one at 1 %.
"""


OUTCOMES: Final = ("pass", "pass with weights", "undecided", "fail")


def print_tables(record: dict[str, Any]) -> str:
    """Print all tables for which there are numbers, and return them for a page."""
    console = Console(width=170)
    tables = [
        _failures(record),
        *_detection(record),
        _verdicts(record),
        _false_alarms(record),
        closed_forms(record),
        speed(record),
    ]
    tables = [table for table in tables if table.rows]
    for table in tables:
        console.print(table.printed())
    seeds = ", ".join(f"{most} at {int(n):,} events" for n, most in record.get("seeds", {}).items())
    return "\n\n".join([SAID.format(seeds=seeds).strip(), *(table.markdown() for table in tables)]) + "\n"


def _failures(record: dict[str, Any]) -> Table:
    table = Table("planted failures", ("failure", "what is wrong"))
    for name, title in record.get("failures", {}).items():
        table.add_row(spoken(name), title)
    return table


def spoken(failure: str) -> str:
    """Return a failure's name as text."""
    return failure.replace("_", " ").replace("gev", "GeV")


def _groups() -> list[str]:
    return list(dict.fromkeys(judge.group for judge in JUDGES.values()))


def _detection(record: dict[str, Any]) -> list[Table]:
    """Return a table for each group of judges: the number of events of each sample at which a failure is detected."""
    found = record.get("detection", {})
    tables = []
    for group in _groups():
        # A judge that is newer than the record has no numbers in it.
        there = [name for name, judge in JUDGES.items() if judge.group == group]
        judges = [name for name in there if all(name in row for row in found.values())]
        titles = [JUDGES[name].title for name in judges]
        table = Table(f"events of each sample at which it is seen: {group}", ("failure", *titles))
        for failure in found:
            table.add_row(spoken(failure), *(_size(found[failure][name]) for name in judges))
        tables.append(table)
    return tables


def _verdicts(record: dict[str, Any]) -> Table:
    columns = ("failure", "events", "draws", *OUTCOMES, "AUC", "failed by", "undecided by")
    table = Table("the verdict for a full stand-in", columns)
    for row in record.get("verdicts", []):
        outcomes = row["outcomes"]
        counts = [str(outcomes.get(outcome, 0)) for outcome in OUTCOMES]
        why = ["; ".join(row[key]) or "-" for key in ("failed", "undecided")]
        area = f"{row['auc'][0]:.3f} to {row['auc'][1]:.3f}"
        table.add_row(spoken(row["failure"]), f"{row['n']:,}", str(row["draws"]), *counts, area, *why)
    return table


def _size(cell: dict[str, Any]) -> str:
    return "-" if cell["smallest_size"] is None else f"{cell['smallest_size']:,}"


def _false_alarms(record: dict[str, Any]) -> Table:
    found = record.get("false_alarms", {})
    table = Table(
        "accused although perfect", ("judge", "group", "rate", "built for", "alarms", "more than two errors off")
    )
    for name, one in found.items():
        judge = JUDGES[name]
        rate = f"{100 * one['rate']:.1f} ± {100 * one['error']:.1f} %"
        far = ("too often" if one["rate"] > one["nominal"] else "too rarely") if one["far"] else ""
        table.add_row(
            judge.title, judge.group, rate, f"{100 * one['nominal']:.0f} %", f"{one['alarms']} of {one['draws']}", far
        )
    return table


def closed_forms(record: dict[str, Any]) -> Table:
    """Return distances of Gaussians and their formulas."""
    table = Table(
        "Gaussians against their formulas",
        ("distance", "events", "formula", "mean ± quoted error", "pull", "its width"),
    )
    for one in record.get("closed_forms", {}).values():
        table.add_row(
            one["title"],
            f"{one['n']:,}",
            f"{one['formula']:.4g}",
            f"{one['mean']:.4g} ± {one['mean_uncertainty']:.2g}",
            f"{one['pull']:+.2f} ± {one['pull_error']:.2f}",
            f"{one['pull_width']:.2f} ± {one['pull_width_error']:.2f}",
        )
    return table


def speed(record: dict[str, Any]) -> Table:
    """Return the time of each judge."""
    speed = record.get("speed")
    if not speed:
        return Table("", ())
    title = f"seconds on {speed['events']:,} + {speed['events']:,} events of {speed['features']} features"
    load = f"{speed['threads']} threads, {speed['cores']} cores, load {speed['load_average']:.1f}"
    table = Table(f"{title} ({load})", ("judge", "wall [s]", "processor [s]"))
    for name, one in speed["judges"].items():
        table.add_row(name, f"{one['seconds']:.1f}", f"{one['processor_seconds']:.1f}")
    total = [sum(one[key] for one in speed["judges"].values()) for key in ("seconds", "processor_seconds")]
    table.add_row("all", *(f"{value:.1f}" for value in total))
    return table
