"""ROC curves of classifiers that separate generated events from truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from simulacra.judges.classifiers.separability import Roc
from simulacra.pages.style import DIAGONAL, GRID, SERIES, TRUTH, new_figure, svg_of
from simulacra.statistics.classifiers.classification import FALSE_POSITIVE_GRID, Classification

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DASHED = (0, (3, 2))


def roc_figure(rocs: Sequence[Roc]) -> bytes:
    """Draw the ROC curve of each classifier with its error over folds; dashed: truth against truth."""
    with new_figure(4.6, 4.2) as figure:
        axes = figure.subplots()
        begin_roc(axes)
        for roc, colour in zip(rocs, SERIES, strict=False):
            draw_roc(axes, roc.judged, roc.observable.replace("_", " "), colour)
            axes.plot(FALSE_POSITIVE_GRID, roc.truth.efficiency, color=colour, linewidth=1.0, linestyle=DASHED)
        axes.plot([], [], color=TRUTH, linewidth=1.0, linestyle=DASHED, label="truth against truth")
        axes.set_aspect("equal")
        axes.set(xlabel="Truth events called generated", ylabel="Generated events called generated")
        axes.legend(loc="lower right")
        return svg_of(figure)


def begin_roc(axes: Axes) -> None:
    """Prepare axes for ROC curves: on the diagonal a classifier only guesses."""
    axes.plot([0, 1], [0, 1], color=DIAGONAL, linewidth=0.8)
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.grid(color=GRID, linewidth=0.7)


def draw_roc(axes: Axes, judged: Classification, name: str, colour: str) -> None:
    """Draw one ROC curve with the band of its error."""
    low, high = judged.efficiency - judged.efficiency_error, judged.efficiency + judged.efficiency_error
    axes.fill_between(FALSE_POSITIVE_GRID, low, high, color=colour, alpha=0.2, linewidth=0)
    label = f"{name}: AUC {judged.auc:.3f} ± {judged.uncertainty:.3f}"
    axes.plot(FALSE_POSITIVE_GRID, judged.efficiency, color=colour, linewidth=1.5, label=label)
