"""The display during a training."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from simulacra.progress import ProgressBar

if TYPE_CHECKING:
    from simulacra.training.continuation import Progression


class TrainingProgress:
    """A bar with the last validation; plain lines without a terminal."""

    def __init__(self, bar: ProgressBar, steps: int, start: int) -> None:
        self._bar, self._steps, self._start, self._began = bar, steps, start, time.monotonic()

    def advance(self, step: int) -> None:
        """Show how many steps are done."""
        self._bar.update(step)

    def judged(self, progression: Progression, score: float, error: float | None, patience: int | None) -> None:
        """Show a validation with its error, the best one, the used patience, and any alarm."""
        shown = f"{score:.4f}" if error is None else f"{score:.4f} ± {error:.4f}"
        text = f"validation {shown} (best {progression.best_score:.4f})"
        if patience is not None and progression.validations_since_progress:
            text += f", no progress {progression.validations_since_progress} of {patience}"
        if progression.alarmed:
            text += ", alarm"
        if self._bar.drawn:
            self._bar.update(text=text)
        else:
            step = progression.step
            rate = (time.monotonic() - self._began) / max(step - self._start, 1)
            self._bar.say(f"step {step} of {self._steps}, {text}, {(self._steps - step) * rate / 60:.1f} min left")

    def warn(self, step: int, text: str) -> None:
        """Show a warning above the progress bar."""
        self._bar.say(f"warning at step {step}: {text}")


@contextlib.contextmanager
def training_progress(name: str, steps: int, start: int, *, show: bool = True) -> Iterator[TrainingProgress]:
    """Show the training of ``name`` from step ``start`` on."""
    with ProgressBar(f"training {name}", steps, start, show=show, kept=True) as bar:
        yield TrainingProgress(bar, steps, start)
