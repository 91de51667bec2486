"""A table as Markdown, without a title: the page says what it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table.

    Raises
    ------
    ValueError
        if a row has another number of cells than there are heads.
    """
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for row in rows:
        if len(row) != len(heads):
            raise ValueError(f"a row of {len(row)} cells under {len(heads)} heads: {row}")
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)
