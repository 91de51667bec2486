"""The table of docs/parton_shower.md."""

from __future__ import annotations

from typing import Any

from benchmarks.tables import table

from simulacra.wording import with_error


def judged(found: dict[str, Any]) -> str:
    """Return the numbers of each model, each beside that of truth against truth."""
    here = found["jets"]["parton-shower"]
    parts = []
    for row in here["rows"]:
        model = here["models"][row["model"]]
        rows = [
            (one["name"], with_error(one["value"], one["error"]), with_error(one["truth"], one["truth_error"]))
            for one in row["judged"]
        ]
        said = f"{here['events']:,} events in each of {here['pairs']} pairs of samples; learned exponent "
        said += f"{model['exponent']:.2f}, width {model['exponent_width']:.2f}"
        heads = ("", f"`{row['model']}`", "truth against truth")
        parts.append(f"{said}:\n\n{table(heads, rows)}")
    return "\n\n".join(parts)
