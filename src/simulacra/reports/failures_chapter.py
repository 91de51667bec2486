"""The chapter on the places where generated events fail, with its figures and table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from simulacra.judges.classifiers.failures import FailureMap, in_words
from simulacra.judges.finding import Finding
from simulacra.pages import Chapter, picture
from simulacra.pages.figures import two_panels
from simulacra.pages.style import (
    DIAGONAL,
    GENERATED,
    GRID,
    SERIES,
    TRUTH,
    axis_label,
    new_figure,
    plain_numbers,
    points,
    svg_of,
    title,
)
from simulacra.statistics.classifiers.failure_maps import ConditionCurve, Plane
from simulacra.statistics.classifiers.importance import Importance
from simulacra.wording import with_error

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_SHOWN: Final = 12
# The colour scale covers ratios from 1/2 to 2.
SPAN: Final = 1.0

#: largest ratio of generated to truth that is drawn
LARGEST_RATIO: Final = 3.0
TEXT: Final = (
    "Features and regions are chosen on one half of the events and measured on the other, so the search does not "
    "bias the numbers. Importance: the decrease of the AUC of boosted trees if one feature is shuffled between "
    "events, and the AUC of the feature alone minus one half. Regions: boxes from a shallow decision tree, with "
    "generated over truth inside, each with its own p-value. Maps: generated over truth as counted, and from the "
    "classifier's odds; bins with fewer than ten truth events are blank. Events: of the truth / generated."
)


def failures_chapter(failures: FailureMap, findings: Sequence[Finding]) -> Chapter:
    """Return the chapter on the results of ``judge_failures``."""
    large = [picture(importance_figure(failures.importances, failures), "Importance of each feature")]
    if failures.plane is not None:
        x, y = (name.replace("_", " ") for name in failures.plane.names)
        caption = f"Generated over truth in the plane of {x} and {y}"
        large.append(picture(plane_figure(failures.plane, failures), caption, caption))
    pictures = []
    for curve in failures.curves:
        caption = f"Separation of generated events from truth against {curve.condition.replace('_', ' ')}"
        pictures.append(picture(condition_figure(curve, failures), caption, caption))
    rows = [
        (
            in_words(region, failures.units, failures.long_names),
            with_error(region.truth_share, region.truth_error, "%"),
            with_error(region.ratio, region.ratio_error),
            f"{region.n_truth:,} / {region.n_generated:,}",
            f"{region.p_value:.2g}",
        )
        for region in failures.regions
    ]
    return Chapter(
        "failures",
        "Where it fails",
        (*(f.sentence for f in findings if f.judge in ("worst_region", "important_feature")), TEXT),
        tuple(pictures),
        tuple(large),
        columns=("region", "share of truth", "generated / truth", "events", "p") if rows else (),
        rows=tuple(rows),
    )


def importance_figure(importances: Sequence[Importance], failures: FailureMap) -> bytes:
    """Draw both importances of the most important features, with errors."""
    shown = importances[:MOST_SHOWN][::-1]
    places = np.arange(len(shown), dtype=float)
    with new_figure(5.6, 1.5 + 0.24 * len(shown)) as figure:
        axes = figure.subplots()
        axes.axvline(0, color=DIAGONAL, linewidth=0.8)
        kinds = (
            ("AUC alone, minus ½", [(i.alone - 0.5, i.alone_error) for i in shown], SERIES[0], 0.12),
            ("decrease of the AUC if shuffled", [(i.drop, i.drop_error) for i in shown], GENERATED, -0.12),
        )
        for label, pairs, colour, shift in kinds:
            value, error = np.array(pairs).T
            bars = np.stack([value - error, value + error, np.full_like(value, np.nan)], axis=1).ravel()
            axes.plot(bars, np.repeat(places + shift, 3), color=colour, linewidth=0.9)
            axes.plot(value, places + shift, "o", color=colour, markersize=4, label=label)
        axes.set_yticks(places, [failures.long_names[i.feature] for i in shown])
        axes.set_ylim(-0.6, len(shown) - 0.4)
        axes.grid(axis="x", color=GRID, linewidth=0.7)
        axes.set_xlabel("AUC")
        figure.legend(loc="outside lower right", ncols=2)
        return svg_of(figure)


def plane_figure(plane: Plane, failures: FailureMap) -> bytes:
    """Draw generated over truth in a plane, as counted and from the classifier's odds, on one colour scale."""
    with new_figure(7.4, 3.4) as figure:
        left, right = figure.subplots(1, 2, sharey=True)
        for axes, values, name in ((left, plane.ratio, "Counted"), (right, plane.odds, "From the classifier's odds")):
            shown = np.ma.masked_where(~plane.seen, np.log2(np.maximum(values, 1e-3)))
            mesh = axes.pcolormesh(
                plane.x_edges, plane.y_edges, shown.T, cmap="PuOr_r", vmin=-SPAN, vmax=SPAN, linewidth=0
            )
            title(axes, name)
            axes.set_xlabel(_label(plane.names[0], failures))
        left.set_ylabel(_label(plane.names[1], failures))
        bar = figure.colorbar(mesh, ax=[left, right], extend="both", pad=0.02)
        bar.set_ticks([-1, -0.5, 0, 0.5, 1], labels=[f"{2.0**t:.2g}" for t in (-1, -0.5, 0, 0.5, 1)])
        bar.set_label("Generated / truth")
        for axes, name, edges in ((left, plane.names[1], plane.y_edges), (left, plane.names[0], plane.x_edges)):
            _scale(axes, edges, vertical=name == plane.names[1])
        _scale(right, plane.x_edges, vertical=False)
        return svg_of(figure)


def condition_figure(curve: ConditionCurve, failures: FailureMap) -> bytes:
    """Draw the AUC in bins of a condition, and below generated over truth, as counted and from the odds."""
    logarithmic = _is_logarithmic(curve.edges)
    middle = np.sqrt(curve.edges[1:] * curve.edges[:-1]) if logarithmic else (curve.edges[1:] + curve.edges[:-1]) / 2
    with new_figure(4.2, 3.6, fitted=False) as figure:
        top, bottom = two_panels(figure, ratio=1.25, label_at=None, left=0.18)
        top.axhline(0.5, color=DIAGONAL, linewidth=0.8)
        points(top, middle, curve.auc, curve.auc_error, GENERATED)
        top.set_ylabel("AUC in the bin")
        bottom.axhline(1, color=TRUTH, linewidth=0.8)
        points(bottom, middle, curve.ratio, curve.ratio_error, GENERATED, label="counted")
        bottom.stairs(curve.odds, curve.edges, baseline=None, color=SERIES[0], linewidth=1.1, label="from the odds")
        bottom.set_ylabel("Generated / truth")
        bottom.set_xlabel(_label(curve.condition, failures))
        bottom.legend(ncols=2, loc="best")
        for axes in (top, bottom):
            axes.grid(color=GRID, linewidth=0.7)
            axes.margins(y=0.2)
        # The odds of a few events that are never confused would hide everything else.
        bottom.set_ylim(0, min(bottom.get_ylim()[1], LARGEST_RATIO))
        _scale(bottom, curve.edges, vertical=False)
        return svg_of(figure)


def _label(name: str, failures: FailureMap) -> str:
    return axis_label(failures.long_names[name], failures.units[name])


def _is_logarithmic(edges: np.ndarray) -> bool:
    """Return whether bins of equal contents span decades, tails excluded."""
    inner = edges[1:-1] if len(edges) > 3 else edges
    return bool(edges[0] > inner[0] / 20 > 0 and inner[-1] > 15 * inner[0])


def _scale(axes: Axes, edges: np.ndarray, *, vertical: bool) -> None:
    if _is_logarithmic(edges):
        (axes.set_yscale if vertical else axes.set_xscale)("log")
        plain_numbers(axes.yaxis if vertical else axes.xaxis, float(edges[-1] / edges[0]))
    # The outermost bins contain the tails: far out there is nothing to see.
    elif len(edges) > 3:
        width = np.median(np.diff(edges))
        low, high = max(edges[0], edges[1] - 2 * width), min(edges[-1], edges[-2] + 2 * width)
        (axes.set_ylim if vertical else axes.set_xlim)(low, high)
