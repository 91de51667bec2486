"""Rows of a benchmark's table: a model, what it learned from, its judged numbers beside truth against truth, time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.tables import Table

from simulacra.wording import with_error


class LeftOutError(Exception):
    """What a stage needs is not there, so there is nothing to measure."""


class NothingShippedError(LeftOutError):
    """No model of a stage is shipped."""


@dataclass(frozen=True)
class Judged:
    """A number of a model on events that were not seen in training, and the same number of truth against truth.

    ``events`` is the number of events of each of the two samples; ``goal`` is what was asked for, in words.
    """

    name: str
    value: float
    error: float
    truth: float
    truth_error: float
    events: int
    goal: str = ""


@dataclass(frozen=True)
class Row:
    """A model in the table; ``microseconds`` are per event on one thread, with their error.

    ``weights_sha256`` says which weights were measured: a model's card shows the numbers only while it has them.
    """

    system: str
    model: str
    trained_events: int
    training_minutes: float
    judged: tuple[Judged, ...]
    microseconds: float
    microseconds_error: float
    weights_sha256: str = ""

    def as_record(self) -> dict[str, Any]:
        """Return the row as plain values for JSON."""
        return asdict(self)


def table_of(name: str, rows: Iterable[Mapping[str, Any]]) -> Table:
    """Return the one table of all rows, given as their records: a line for each judged number."""
    table = Table(
        f"{name.capitalize()}: models on unseen events",
        ("system", "model", "trained on", "minutes", "judged", "n", "model", "truth", "goal", "µs an event"),
    )
    for row in rows:
        heads = (
            row["system"],
            row["model"],
            f"{row['trained_events']:,}",
            f"{row['training_minutes']:.0f}",
        )
        time = with_error(row["microseconds"], row["microseconds_error"])
        for number, judged in enumerate(row["judged"]):
            first = number == 0
            table.add_row(
                *(heads if first else ("",) * len(heads)),
                judged["name"],
                f"{judged['events']:,}",
                with_error(judged["value"], judged["error"]),
                with_error(judged["truth"], judged["truth_error"]),
                judged["goal"],
                time if first else "",
            )
    return table
