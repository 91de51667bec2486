"""The progress of long jobs: callbacks of functions, and bars on standard error, drawn by rich."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Self

Progress = Callable[[str, float], None]
"""Called with the name of a step and the share of the work completed before it."""


def silent(_step: str, _share: float) -> None:
    """Tell nothing."""


class ProgressBar:
    """A bar with the progress, the time taken and the time left; no bar if standard error is not a terminal.

    Parameters
    ----------
    label:
        name of the job.
    total, done:
        the size of the job, and how much of it was done before.
    show:
        whether anything is shown.
    counted:
        whether to show counts, such as "3/20", instead of percent.
    kept:
        whether the bar stays when the job is done.
    """

    def __init__(
        self, label: str, total: float, done: float = 0, *, show: bool, counted: bool = True, kept: bool = False
    ) -> None:
        from rich import progress
        from rich.console import Console

        self._console = Console(file=sys.stderr)
        self.show, self.drawn = show, show and self._console.is_terminal
        self._bar = progress.Progress(
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(),
            progress.MofNCompleteColumn() if counted else progress.TaskProgressColumn(),
            progress.TimeElapsedColumn(),
            progress.TextColumn("left"),
            progress.TimeRemainingColumn(),
            progress.TextColumn("{task.fields[text]}", markup=False),
            console=self._console,
            transient=not kept,
            disable=not self.drawn,
            speed_estimate_period=600,
        )
        self._task = self._bar.add_task(label, total=total, text="")
        self.update(done)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()

    def update(self, done: float | None = None, *, label: str | None = None, text: str | None = None) -> None:
        """Show the progress, another label, or a text behind the bar."""
        fields: dict[str, Any] = {} if text is None else {"text": text}
        self._bar.update(self._task, completed=done, description=label, **fields)

    def say(self, text: str) -> None:
        """Print a line above the bar, or without it."""
        if self.show:
            self._console.print(text, highlight=False, markup=False, soft_wrap=True)


#: whether parts of a job show their progress on their own
_QUIET: ContextVar[bool] = ContextVar("quiet", default=False)


@contextlib.contextmanager
def quiet_parts(*, quiet: bool = True) -> Iterator[None]:
    """Let the parts of a job show nothing of their own (:func:`part_progress`)."""
    token = _QUIET.set(quiet)
    try:
        yield
    finally:
        _QUIET.reset(token)


@contextlib.contextmanager
def part_progress(label: str, total: int) -> Iterator[ProgressBar]:
    """Show the progress of a part deep in a job, to which no function is passed; nothing without a terminal."""
    with ProgressBar(label, total, show=not _QUIET.get()) as bar:
        yield bar


@contextlib.contextmanager
def step_progress(label: str, *, show: bool) -> Iterator[Progress]:
    """Show the steps of a job, the completed share and the time left."""
    with ProgressBar(label, 1.0, show=show, counted=False) as bar:
        yield lambda step, share: bar.update(share, label=step)


@contextlib.contextmanager
def waiting(label: str) -> Iterator[None]:
    """Show that a job runs whose length is not known, and for how long; without a terminal its name after 5 s."""
    from rich import progress
    from rich.console import Console

    console = Console(file=sys.stderr)
    if not console.is_terminal:
        late = threading.Timer(5.0, lambda: console.print(f"{label} ...", markup=False, soft_wrap=True))
        late.daemon = True
        late.start()
        try:
            yield
        finally:
            late.cancel()
        return
    columns = progress.SpinnerColumn(), progress.TextColumn("{task.description}"), progress.TimeElapsedColumn()
    with progress.Progress(*columns, console=console, transient=True) as bar:
        bar.add_task(label, total=None)
        yield


@contextlib.contextmanager
def event_progress(label: str, n_events: int, n_done: int, *, show: bool) -> Iterator[Callable[[int], None]]:
    """Show the progress of a job of ``n_events``, of which ``n_done`` were done before.

    The given function is called with the number of events since the last call. One line is printed at the end, but
    without a terminal not for a job of less than a second.
    """
    start, made = time.perf_counter(), 0
    with ProgressBar(label, n_events, n_done, show=show) as bar:

        def advance(n: int) -> None:
            nonlocal made
            made += n
            rate = made / max(time.perf_counter() - start, 1e-9)
            bar.update(n_done + made, text=f"{rate:,.4g}/s")

        yield advance
    seconds = time.perf_counter() - start
    if made and (bar.drawn or seconds >= 1):
        earlier = f"; {n_done:,} were there already" if n_done else ""
        bar.say(f"{label}: {made:,} in {seconds:,.1f} s, {made / seconds:,.4g}/s{earlier}")
