"""What a person sees while a network trains."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from simulacra.training.continuation import Progression


class TrainingProgress:
    """A progress bar with the time left and the last validation; plain lines where there is no terminal."""

    def __init__(self, name: str, steps: int, start: int, *, show: bool = True) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self._show = show
        self._console = Console(stderr=True)
        self._bar = show and sys.stderr.isatty()
        self._progress = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=True),
            TextColumn("{task.fields[score]}"),
            console=self._console,
            disable=not self._bar,
        )
        self._task = self._progress.add_task(f"training {name}", total=steps, completed=start, score="")
        self._steps, self._start, self._began = steps, start, time.monotonic()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()

    def advance(self, step: int) -> None:
        """Show how many steps are done."""
        if self._bar:
            self._progress.update(self._task, completed=step)

    def judged(self, progression: Progression, score: float, error: float | None, patience: int | None) -> None:
        """Show a validation with its error, the best one, patience that is used up, and whether there is an alarm."""
        shown = f"{score:.4f}" if error is None else f"{score:.4f} ± {error:.4f}"
        text = f"validation {shown} (best {progression.best_score:.4f})"
        if patience is not None and progression.validations_since_progress:
            text += f", no progress {progression.validations_since_progress} of {patience}"
        if progression.alarmed:
            text += ", alarm"
        if self._bar:
            self._progress.update(self._task, score=text)
        elif self._show:
            step = progression.step
            rate = (time.monotonic() - self._began) / max(step - self._start, 1)
            left = (self._steps - step) * rate / 60
            print(f"step {step} of {self._steps}, {text}, {left:.1f} min left", file=sys.stderr, flush=True)

    def warn(self, step: int, text: str) -> None:
        """Show a warning above the progress bar."""
        if self._bar:
            self._progress.console.print(f"[yellow]warning at step {step}:[/yellow] ", text, sep="", markup=True)
        elif self._show:
            print(f"warning at step {step}: {text}", file=sys.stderr, flush=True)
