"""The chapter on conditions: maps of observables and bins, the worst observables against the conditions, a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from simulacra.judges.distances.conditional import ConditionalEvidence
from simulacra.judges.distances.conditional_bins import ConditionEvidence
from simulacra.pages import Chapter, picture
from simulacra.pages.style import (
    GENERATED,
    GRID,
    INK,
    SERIES,
    TRUTH,
    axis_label,
    new_figure,
    plain_numbers,
    points,
    svg_of,
    title,
)
from simulacra.reports.finding_rows import decimal_probability
from simulacra.statistics.distances.simultaneous import Simultaneous
from simulacra.wording import LONGEST_LABEL, shorten, with_error

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_ROWS: Final = 40
MOST_CURVES: Final = 3
# The axis is logarithmic if the last inner edge is at least this many times the first.
LOGARITHMIC: Final = 8.0
# If the truth's width is nearly 0, the size of a ratio of widths means nothing.
LARGEST_RATIO: Final = 5.0
TEXT: Final = (
    "Each observable in bins of each condition. The maps show the 1-Wasserstein distance divided by its limit: the "
    "largest distance of {truth} from itself anywhere in the map is below this limit in 95 % of samples. Above 1 "
    "(framed) a cell is wrong; a perfect generator has no such cell in 95 % of maps. In the other figures the dark "
    "and light bands around the points contain the true values in all bins of all observables together in 68 % and "
    "95 % of samples. Distances and shifts are in standard deviations of {truth} in the bin. p: probability that the "
    "worst of all bins and observables is as bad by chance."
)


def conditional_chapter(evidence: ConditionalEvidence, labels: tuple[str, str]) -> Chapter:
    """Return the chapter; ``labels`` are the names of truth and generated events."""
    narrow, wide = [], []
    for one in evidence.conditions:
        name = one.condition.replace("_", " ")
        caption = f"W₁ over its simultaneous 95 % limit, in bins of {name}"
        wide.append(picture(map_figure(one, evidence.long_names), caption, caption))
        for column in worst_columns(one):
            what = evidence.long_names[one.observables[column]]
            svg = observable_figure(one, column, evidence)
            narrow.append(picture(svg, f"Shift and width of {what} against {name}"))
        if one.auc is not None:
            narrow.append(picture(area_figure(one, evidence), f"Classifier's AUC against {name}"))
    return Chapter(
        "conditions",
        "In bins of the conditions",
        (TEXT.format(truth=labels[0]),),
        tuple(narrow),
        tuple(wide),
        columns=("condition", "judge", "worst", "where", "value", "truth–truth", "p"),
        rows=tuple(row for one in evidence.conditions for row in _rows(one, evidence.long_names)),
    )


def worst_columns(found: ConditionEvidence) -> list[int]:
    """Return the observables with the largest distance over its limit in any bin, the worst first."""
    largest = found.table(found.wasserstein.excess).max(axis=0)
    return [int(column) for column in np.argsort(-largest, kind="stable")[:MOST_CURVES]]


def map_figure(found: ConditionEvidence, long_names: dict[str, str]) -> bytes:
    """Draw observables and bins, each cell in the colour of its distance over its simultaneous limit."""
    from matplotlib.patches import Rectangle

    excess = found.table(found.wasserstein.excess).T
    shown = np.argsort(-excess.max(axis=1), kind="stable")[:MOST_ROWS]
    cells = excess[shown]
    rows, bins = cells.shape
    with new_figure(4.2 + 0.5 * bins, 1.3 + 0.22 * rows) as figure:
        axes = figure.subplots()
        mesh = axes.imshow(cells, cmap="YlOrRd", vmin=0, vmax=max(2.0, min(5.0, float(cells.max()))), aspect="auto")
        for row, column in np.argwhere(cells > 1):
            axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=INK, linewidth=1.0))
        axes.set_yticks(range(rows), [_short(found.observables[o], long_names) for o in shown])
        axes.set_xticks(np.arange(bins + 1) - 0.5, [f"{edge:.3g}" for edge in found.edges])
        axes.set_xlabel(axis_label(found.condition.replace("_", " ").capitalize(), found.units))
        figure.colorbar(mesh, ax=axes, label="W₁ over limit")
        return svg_of(figure)


def _short(name: str, long_names: dict[str, str]) -> str:
    """Return an observable's long name, or its short one if that is too long: cut names would be ambiguous."""
    return long_names[name] if len(long_names[name]) <= LONGEST_LABEL else shorten(name.replace("_", " "))


def observable_figure(found: ConditionEvidence, column: int, evidence: ConditionalEvidence) -> bytes:
    """Draw an observable's shift and ratio of widths against the condition, with simultaneous bands."""
    name = found.observables[column]
    with new_figure(4.2, 4.0) as figure:
        top, bottom = figure.subplots(2, 1, sharex=True)
        for axes, judged, right, text in (
            (top, found.shift, 0.0, "Shift of mean [σ]"),
            (bottom, found.width, 1.0, "Width ratio"),
        ):
            value, wide, narrow = (
                found.table(cells)[:, column] for cells in (judged.value, judged.band_95, judged.band_68)
            )
            _banded(axes, found, value, (wide, narrow), right)
            axes.set_ylabel(text)
        if bottom.get_ylim()[1] > LARGEST_RATIO:
            bottom.set_ylim(0, LARGEST_RATIO)
        title(top, evidence.long_names[name])
        bottom.set_xlabel(axis_label(found.condition.replace("_", " ").capitalize(), found.units))
        return svg_of(figure)


def area_figure(found: ConditionEvidence, evidence: ConditionalEvidence) -> bytes:
    """Draw the classifier's area under the ROC curve against the condition, and its simultaneous limit by chance."""
    if found.auc is None:
        raise ValueError(f"no classifier was judged in bins of {found.condition}")
    with new_figure(4.2, 3.0) as figure:
        axes = figure.subplots()
        _banded(axes, found, found.auc.value, (found.auc.band_95, found.auc.band_68), 0.5)
        axes.stairs(0.5 + found.auc.limit_95, found.edges, baseline=None, color=SERIES[0], linestyle=(0, (3, 2)))
        title(axes, "Classifier; dashed: limit of chance, 95 %")
        axes.set(xlabel=axis_label(evidence.long_names[found.condition].capitalize(), found.units), ylabel="AUC")
        return svg_of(figure)


def _banded(axes: Axes, found: ConditionEvidence, value: np.ndarray, bands: Sequence[np.ndarray], right: float) -> None:
    """Draw values in bins with their bands, the wider first, and the right value."""
    axes.axhline(right, color=TRUTH, linewidth=1.0)
    for half, opacity in zip(bands, (0.18, 0.38), strict=True):
        axes.stairs(
            value + half, found.edges, baseline=value - half, fill=True, color=GENERATED, alpha=opacity, linewidth=0
        )
    points(axes, found.position, value, np.zeros_like(value), GENERATED, size=3.5)
    if found.edges[0] > 0 and found.edges[-2] / found.edges[1] > LOGARITHMIC:
        axes.set_xscale("log")
        plain_numbers(axes.xaxis, found.edges[-1] / found.edges[0])
    axes.set_xlim(found.edges[0], found.edges[-1])
    axes.grid(color=GRID, linewidth=0.7)


def _rows(found: ConditionEvidence, long_names: dict[str, str]) -> list[tuple[str, ...]]:
    judges = [("W₁ [σ]", found.wasserstein), ("|shift| [σ]", found.shift), ("|log width ratio|", found.width)]
    rows = [_row(found, long_names, name, judged, judged.score) for name, judged in judges]
    if found.auc is not None:
        rows.append(_row(found, {}, "AUC", found.auc, found.auc.value))
    return rows


def _row(
    found: ConditionEvidence, long_names: dict[str, str], name: str, judged: Simultaneous, shown: np.ndarray
) -> tuple[str, ...]:
    number, column = divmod(judged.worst, found.table(shown).shape[1])
    offset = 0.5 if name == "AUC" else 0.0
    return (
        found.condition.replace("_", " "),
        name,
        long_names.get(found.observables[column], "all observables"),
        found.region(number).removeprefix(f"{found.condition} "),
        with_error(float(shown[judged.worst]), float(judged.error[judged.worst])),
        with_error(judged.chance + offset, judged.chance_error),
        decimal_probability(judged.p_value),
    )
