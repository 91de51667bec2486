"""Tables of text, for a terminal and for a page."""

from __future__ import annotations

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
        table = Printed(*self.columns, title=self.title)
        for row in self.rows:
            table.add_row(*row)
        return table

    def markdown(self) -> str:
        """Return the table for a page."""
        lines = [f"**{self.title}**", "", f"| {' | '.join(self.columns)} |", "|---" * len(self.columns) + "|"]
        return "\n".join(lines + [f"| {' | '.join(row)} |" for row in self.rows])
