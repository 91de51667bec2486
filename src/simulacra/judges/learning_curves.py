"""Learning curves: how a run came to its best checkpoint, read from the rows that it wrote while it was trained.

``metrics.jsonl`` has a row for each validation: step, losses, the score and its error, the step of the last progress,
what the alarm says. Rows of earlier versions lack some of these; what is not there is not drawn.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from simulacra.judges.wording import with_error
from simulacra.pages import Chapter, Picture
from simulacra.pages.style import GENERATED, GRID, SERIES, TRUTH, image_uri, new_figure, svg_of

LOSS: Final = "loss/"
ALARM: Final = "modes/alarm"
MOST_LOSSES: Final = len(SERIES)


@dataclass(frozen=True)
class LearningCurves:
    """The course of a training run, one number a validation.

    Attributes
    ----------
    steps:
        steps done, (V,).
    losses:
        of each player, by its name, (V,); NaN where a row lacks it.
    score, score_error:
        validated score, which the best checkpoint has least of, and its bootstrap error, (V,); the error is NaN where
        it is not known.
    best_step:
        of the lowest score.
    progress_step:
        of the last progress, from which on patience counts; None if the run did not tell.
    alarmed:
        whether the alarm was on, (V,).
    alarms:
        what was said as an alarm began, by step.
    effective_modes, truth_effective_modes:
        (V,); NaN where they were not looked at.
    damaged:
        numbers of the lines that could not be read, counted from 1.
    """

    steps: np.ndarray
    losses: Mapping[str, np.ndarray]
    score: np.ndarray
    score_error: np.ndarray
    best_step: int
    progress_step: int | None
    alarmed: np.ndarray
    alarms: Mapping[int, str]
    effective_modes: np.ndarray
    truth_effective_modes: np.ndarray
    damaged: tuple[int, ...] = ()

    @property
    def sentences(self) -> list[str]:
        """What the curves show, in words."""
        best = int(np.flatnonzero(self.steps == self.best_step)[0])
        error = float(self.score_error[best])
        score = with_error(float(self.score[best]), error) if math.isfinite(error) else f"{self.score[best]:.4g}"
        kept = (
            f"The best of {len(self.steps)} validations was at step {self.best_step:,} of {int(self.steps[-1]):,}, "
            f"with the score {score}: its weights are those that were kept. No test event had a part in the choice."
        )
        said = [kept]
        if self.progress_step is not None and self.progress_step < self.steps[-1]:
            waited = int((self.steps > self.progress_step).sum())
            said.append(
                f"The last change for the better that was larger than its error came at step {self.progress_step:,}; "
                f"patience counted {waited} validation{'s' * (waited > 1)} from there."
            )
        elif self.progress_step is not None:
            said.append("The score still fell by more than its error at the last validation: train longer.")
        if self.alarmed[-1]:
            said.append("The alarm for lost modes was on when training ended.")
        elif self.alarmed[best]:
            said.append("The alarm for lost modes was on at the best checkpoint.")
        elif self.alarmed.any():
            last = int(self.steps[np.flatnonzero(self.alarmed)[-1]])
            said.append(f"The alarm for lost modes was on for the last time at step {last:,}.")
        if self.damaged:
            lines = ", ".join(map(str, self.damaged[:5])) + (", ..." if len(self.damaged) > 5 else "")
            said.append(
                f"{len(self.damaged)} line{'s' * (len(self.damaged) > 1)} of metrics.jsonl could not be read "
                f"({lines}): the curves are drawn without."
            )
        return said


def learning_curves(run: Path) -> LearningCurves | None:
    """Return the learning curves of a run folder; None if it holds no row that can be read."""
    path = Path(run) / "metrics.jsonl"
    if not path.is_file():
        return None
    return curves_of(path.read_text(encoding="utf-8", errors="replace").splitlines())


def curves_of(rows: Iterable[str | Mapping[str, Any]]) -> LearningCurves | None:
    """Return the learning curves of rows, as mappings or as lines of JSON; None if there is none that can be read.

    A row without a finite ``step`` and ``score`` counts as damaged. Of two rows of one step the later one holds.
    """
    found: dict[int, Mapping[str, Any]] = {}
    damaged = []
    for number, row in enumerate(rows, 1):
        if isinstance(row, str) and not row.strip():
            continue
        parsed = _parsed(row)
        if parsed is None:
            damaged.append(number)
        else:
            found[int(parsed["step"])] = parsed
    if not found:
        return None
    kept = [found[step] for step in sorted(found)]

    def column(name: str) -> np.ndarray:
        return np.array([_number(row.get(name)) for row in kept])

    names = dict.fromkeys(name for row in kept for name in row if name.startswith(LOSS))
    score, progress = column("score"), column("progress_step")
    return LearningCurves(
        steps=np.array([int(row["step"]) for row in kept]),
        losses={name.removeprefix(LOSS): column(name) for name in names},
        score=score,
        score_error=column("score_error"),
        best_step=int(kept[int(np.argmin(score))]["step"]),
        progress_step=int(progress[-1]) if math.isfinite(progress[-1]) else None,
        alarmed=column(ALARM) == 1,
        alarms={int(row["step"]): str(row["alarm"]) for row in kept if row.get("alarm")},
        effective_modes=column("modes/effective"),
        truth_effective_modes=column("modes/truth_effective"),
        damaged=tuple(damaged),
    )


def learning_chapter(curves: LearningCurves) -> Chapter:
    """Return the chapter of the report on the run that made the generator."""
    pictures = [Picture(image_uri(score_figure(curves)), "Validated score against steps", "The validated score")]
    if curves.losses:
        pictures.append(Picture(image_uri(losses_figure(curves)), "Losses against steps", "Losses of a batch"))
    if np.isfinite(curves.effective_modes).any():
        pictures.append(
            Picture(image_uri(modes_figure(curves)), "Effective modes against steps", "Effective number of modes")
        )
    rows = tuple((f"{step:,}", text) for step, text in curves.alarms.items())
    return Chapter(
        "learning",
        "Learning curves",
        tuple(curves.sentences),
        tuple(pictures),
        columns=("alarm from step", "what it said") if rows else (),
        rows=rows,
    )


def score_figure(curves: LearningCurves) -> bytes:
    """Draw the score with its error, the best checkpoint, where patience began, and where the alarm was on."""
    with new_figure(4.6, 3.0) as figure:
        axes = figure.subplots()
        _shade_alarms(axes, curves)
        known = np.isfinite(curves.score_error)
        if known.any():
            low, high = curves.score - curves.score_error, curves.score + curves.score_error
            axes.fill_between(curves.steps, low, high, where=known, color=GENERATED, alpha=0.2, linewidth=0)
        axes.plot(curves.steps, curves.score, ".-", color=GENERATED, markersize=3.5, linewidth=1.0)
        best = float(curves.score[curves.steps == curves.best_step][0])
        axes.plot(curves.best_step, best, "o", color=TRUTH, markersize=6, markerfacecolor="white", label="best, kept")
        if curves.progress_step is not None and curves.progress_step < curves.steps[-1]:
            axes.axvline(curves.progress_step, color=TRUTH, linewidth=0.9, linestyle=(0, (3, 2)), label="last progress")
        if curves.score.min() > 0 and curves.score.max() > 10 * curves.score.min():
            axes.set_yscale("log")
        _finish(axes, "Validated score")
        return svg_of(figure)


def losses_figure(curves: LearningCurves) -> bytes:
    """Draw the players' losses."""
    with new_figure(4.6, 3.0) as figure:
        axes = figure.subplots()
        for (name, values), colour in zip(curves.losses.items(), SERIES, strict=False):
            axes.plot(curves.steps, values, ".-", color=colour, markersize=3.5, linewidth=1.0, label=name)
        _finish(axes, "Loss")
        return svg_of(figure)


def modes_figure(curves: LearningCurves) -> bytes:
    """Draw the effective number of modes of generated events over that of the truth."""
    with new_figure(4.6, 3.0) as figure:
        axes = figure.subplots()
        _shade_alarms(axes, curves)
        axes.plot(curves.steps, curves.truth_effective_modes, color=TRUTH, linewidth=1.0, label="truth")
        axes.plot(curves.steps, curves.effective_modes, ".-", color=GENERATED, markersize=3.5, label="generated")
        axes.set_ylim(bottom=0)
        _finish(axes, "Effective modes")
        return svg_of(figure)


def _shade_alarms(axes: Any, curves: LearningCurves) -> None:
    """Shade the steps from each validation with an alarm to the next one."""
    ends = np.append(curves.steps[1:], curves.steps[-1])
    label: str | None = "alarm"
    for start, stop, on in zip(curves.steps, ends, curves.alarmed, strict=True):
        if on:
            # A last validation has no next one: a line in its place.
            axes.axvspan(start, stop, color="#e69f00", alpha=0.18, linewidth=2 if start == stop else 0, label=label)
            label = None


def _finish(axes: Any, label: str) -> None:
    axes.set_xlabel("Step")
    axes.set_ylabel(label)
    axes.grid(color=GRID, linewidth=0.7)
    if axes.get_legend_handles_labels()[0]:
        axes.legend()


def _parsed(row: str | Mapping[str, Any]) -> Mapping[str, Any] | None:
    if isinstance(row, str):
        try:
            row = json.loads(row)
        except json.JSONDecodeError:
            return None
    if not isinstance(row, Mapping) or not all(math.isfinite(_number(row.get(name))) for name in ("step", "score")):
        return None
    return row


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
