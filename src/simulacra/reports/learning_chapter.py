"""The chapter on the training of a generator: its learning curves."""

from __future__ import annotations

from typing import Any

import numpy as np

from simulacra.judges.learning_curves import LearningCurves
from simulacra.pages import Chapter, picture
from simulacra.pages.style import GENERATED, SERIES, TRUTH, labelled, new_figure, svg_of


def learning_chapter(curves: LearningCurves) -> Chapter:
    """Return the chapter on the training of the generator."""
    pictures = [picture(score_figure(curves), "Validated score against steps", "The validated score")]
    if curves.losses:
        pictures.append(picture(losses_figure(curves), "Losses against steps", "Losses per batch"))
    if np.isfinite(curves.effective_modes).any():
        pictures.append(picture(modes_figure(curves), "Effective modes against steps", "Effective number of modes"))
    rows = tuple((f"{step:,}", text) for step, text in curves.alarms.items())
    return Chapter(
        "learning",
        "Learning curves",
        tuple(curves.sentences),
        tuple(pictures),
        columns=("alarm from step", "message") if rows else (),
        rows=rows,
    )


def score_figure(curves: LearningCurves) -> bytes:
    """Draw the score with its error, the best checkpoint, the last progress, and the steps with an alarm."""
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
    """Draw the losses of the networks."""
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
            # The last validation has no next one: draw a line instead.
            axes.axvspan(start, stop, color="#e69f00", alpha=0.18, linewidth=2 if start == stop else 0, label=label)
            label = None


def _finish(axes: Any, label: str) -> None:
    labelled(axes, "Step", label)
    if axes.get_legend_handles_labels()[0]:
        axes.legend()
