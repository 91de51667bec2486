"""The progress of a long job on the terminal: a bar with time left and rate, or one plain line where there is none."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import Protocol

import rich.console
import rich.progress


class Advance(Protocol):
    """Tell that so many more events are done."""

    def __call__(self, n_events: int) -> None:
        """Tell that ``n_events`` more are done."""


@contextlib.contextmanager
def event_progress(label: str, n_events: int, n_done: int, *, show: bool) -> Iterator[Advance]:
    """Show how far a job of ``n_events``, of which ``n_done`` were there before, has come; on standard error.

    Where standard error is no terminal, one line is printed at the end, and none for a job that took under a second.
    """
    if not show:
        yield lambda n_events: None  # noqa: ARG005 - the name is part of the protocol
        return
    console = rich.console.Console(file=sys.stderr)
    start = time.perf_counter()
    made = 0
    columns = (
        rich.progress.TextColumn("{task.description}"),
        rich.progress.BarColumn(),
        rich.progress.MofNCompleteColumn(),
        rich.progress.TextColumn("{task.fields[rate]}"),
        rich.progress.TimeRemainingColumn(compact=True, elapsed_when_finished=True),
    )
    bar = rich.progress.Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal, speed_estimate_period=600
    )
    with bar:
        task = bar.add_task(label, total=n_events, completed=n_done, rate="")

        def advance(n_events: int) -> None:
            nonlocal made
            made += n_events
            rate = made / max(time.perf_counter() - start, 1e-9)
            bar.update(task, advance=n_events, rate=f"{rate:,.4g}/s")

        yield advance
    seconds = time.perf_counter() - start
    if made and (console.is_terminal or seconds >= 1):
        earlier = f"; {n_done:,} were there already" if n_done else ""
        line = f"{label}: {made:,} in {seconds:,.1f} s, {made / seconds:,.4g}/s{earlier}"
        console.print(line, highlight=False, markup=False, soft_wrap=True)
