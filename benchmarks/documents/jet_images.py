"""The tables of docs/jet_images.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from benchmarks.tables import table

from simulacra.wording import with_error

STAGE: Final = "images"
MISSING: Final = '`make bench-jets ARGS="--only images"` has not been run.'


def judged(found: Mapping[str, Any]) -> str:
    """Return, for each process, each number of each of its models, beside that of Pythia against itself."""
    return _by_process(found, _judged)


def times(found: Mapping[str, Any]) -> str:
    """Return, for each process, the training of each of its models and the time per image, beside Pythia's."""
    return _by_process(found, _times)


def _by_process(found: Mapping[str, Any], write: Any) -> str:
    here = found.get("jets", {}).get(STAGE)
    if here is None:
        return MISSING
    parts = []
    for process, truth in here["truth"].items():
        rows = [row for row in here["rows"] if here["models"][row["model"]]["process"] == process]
        parts.append(f"`{process}`:\n\n{write(rows, truth)}")
    return "\n\n".join(parts)


def _judged(rows: list[Mapping[str, Any]], _: Mapping[str, Any]) -> str:
    by_name = [{one["name"]: one for one in row["judged"]} for row in rows]
    lines = [
        (
            name,
            f"{first['events']:,}",
            *(with_error(one[name]["value"], one[name]["error"]) for one in by_name),
            with_error(first["truth"], first["truth_error"]),
        )
        for name, first in by_name[0].items()
    ]
    return table(("", "n", *(f"`{row['model']}`" for row in rows), "Pythia against itself"), lines)


def _times(rows: list[Mapping[str, Any]], truth: Mapping[str, Any]) -> str:
    lines = [
        (
            f"`{row['model']}`",
            f"{row['trained_events']:,}",
            f"{row['training_minutes']:.0f}",
            with_error(row["microseconds"], row["microseconds_error"]),
        )
        for row in rows
    ]
    heads = ("one thread", "training images", "minutes to its checkpoint", "µs an image")
    return table(heads, [*lines, ("Pythia 8", "", "", f"{1e6 * truth['seconds']:,.0f}")])
