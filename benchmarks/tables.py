"""Tables of text, for a terminal and for a page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rich.table import Table as Printed


@dataclass
class Table:
    """A title, the columns' heads, and rows of text."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)

    def add_row(self, *cells: str) -> None:
        """Add a row."""
        self.rows.append(cells)

    def printed(self) -> Printed:
        """Return the table for a terminal."""
        printed = Printed(*self.columns, title=self.title)
        for row in self.rows:
            printed.add_row(*row)
        return printed

    def markdown(self) -> str:
        """Return the table for a page."""
        return f"**{self.title}**\n\n{self.untitled()}"

    def untitled(self) -> str:
        """Return the table without its title."""
        return table(self.columns, self.rows)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table as Markdown, without a title.

    Raises
    ------
    ValueError
        if a row and the heads have different numbers of cells.
    """
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for row in rows:
        if len(row) != len(heads):
            raise ValueError(f"a row of {len(row)} cells under {len(heads)} heads: {row}")
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)
