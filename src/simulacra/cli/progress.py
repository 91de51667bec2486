"""How a command shows how far it has come."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulacra.progress import Progress


@contextlib.contextmanager
def progress(what: str, *, show: bool) -> Iterator[Progress]:
    """Show the step, the share that is done and the time left, on standard error if it is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    console = Console(file=sys.stderr)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    shown = Bar(
        *columns, TimeRemainingColumn(), console=console, transient=True, disable=not (show and console.is_terminal)
    )
    with shown as bar:
        task = bar.add_task(what, total=1.0)

        def tell(step: str, share: float) -> None:
            bar.update(task, description=step, completed=share)

        yield tell
