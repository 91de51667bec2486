"""Figures of distributions and weights, each as an SVG file: histograms with ratios, calibrations, weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from simulacra.pages.style import (
    DIAGONAL,
    GENERATED,
    GRID,
    MARGINS,
    SERIES,
    TRUTH,
    axis_label,
    band,
    new_figure,
    plain_numbers,
    points,
    svg_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RATIO_SPAN: Final = 0.6
"""The ratio panel reaches from 1 minus to 1 plus so much."""
WEIGHT_BINS: Final = 60


@dataclass(frozen=True)
class Binned:
    """One sample in a histogram.

    Attributes
    ----------
    label:
        label in the legend.
    share, error:
        share of the events in each bin and its statistical error, (bins,) each.
    step:
        whether it is drawn as a line of steps, or else as points with error bars.
    beyond:
        whether the first and the last bin include events beyond the edges; the points there are hollow.
    """

    label: str
    share: np.ndarray
    error: np.ndarray
    step: bool = False
    beyond: tuple[bool, bool] = (False, False)


def histograms_figure(
    edges: np.ndarray,
    truth: Binned,
    others: Sequence[Binned],
    *,
    name: str,
    units: str = "1",
    logarithmic: bool = False,
    logarithmic_shares: bool = False,
    value_label: str = "Share of events per bin",
) -> bytes:
    """Draw the truth as a filled step, the other samples over it, and their ratios to the truth below.

    Parameters
    ----------
    edges:
        of the bins, (bins + 1,), [units].
    truth, others:
        the samples; at most five others.
    name, units:
        label of the axis.
    logarithmic, logarithmic_shares:
        whether the axes of the observable and of the shares are logarithmic.
    value_label:
        label of the shares, if other than the default.
    """
    if len(others) > len(SERIES):
        raise ValueError(f"a histogram shows at most {len(SERIES)} samples besides the truth, not {len(others)}")
    with new_figure(4.2, 3.6, fitted=False) as figure:
        top, bottom = two_panels(figure, top=0.985)
        # Before is blue, after is orange, on every page.
        colours = SERIES if len(others) > 1 else (GENERATED,)
        draw_histograms(top, bottom, edges, truth, others, colours, logarithmic=logarithmic)
        top.set_ylabel(value_label)
        highest = max(float(sample.share.max()) for sample in (truth, *others))
        # The legend is above the curves, one more line for every two samples.
        rows = (len(others) + 2) // 2
        if logarithmic_shares:
            positive = truth.share[truth.share > 0]
            lowest = 0.3 * float(positive.min()) if len(positive) else 1e-6
            top.set_yscale("log")
            top.set_ylim(lowest, highest * (highest / lowest) ** (0.13 * rows + 0.05))
        else:
            top.set_ylim(0, (1.08 + 0.14 * rows) * highest)
        top.legend(loc="upper left", ncols=2, borderaxespad=0.1, handletextpad=0.4, columnspacing=1.2)
        bottom.set_xlabel(axis_label(name, units))
        return svg_of(figure)


def two_panels(
    figure: Figure, *, ratio: float = 2.4, label_at: float | None = -0.145, **margins: float
) -> tuple[Axes, Axes]:
    """Return an upper panel and a lower one that share the horizontal axis.

    Parameters
    ----------
    ratio:
        height of the upper panel over that of the lower one.
    label_at:
        where the labels of the vertical axes stand, in widths of a panel; each beside its numbers if None.
    margins:
        those that differ from a figure's usual ones.
    """
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[ratio, 1], gridspec_kw={**MARGINS, **margins})
    for axes in (top, bottom) if label_at is not None else ():
        axes.yaxis.set_label_coords(label_at, 0.5)
    return top, bottom


def draw_histograms(
    top: Axes,
    bottom: Axes,
    edges: np.ndarray,
    truth: Binned,
    others: Sequence[Binned],
    colours: Sequence[str],
    *,
    logarithmic: bool = False,
    size: float = 2.6,
) -> None:
    """Draw histograms on two axes: the shares above, and the ratios to the truth below.

    Parameters
    ----------
    top, bottom:
        of one figure, with a common axis of values. The caller sets titles, legends and limits of the shares.
    colours:
        of the others.
    size:
        of the points [pt].

    The other parameters are those of :func:`histograms_figure`.
    """
    middle = np.sqrt(edges[1:] * edges[:-1]) if logarithmic else (edges[1:] + edges[:-1]) / 2
    top.stairs(truth.share, edges, fill=True, color=TRUTH, alpha=0.22, label=truth.label)
    top.stairs(truth.share, edges, color=TRUTH, linewidth=1.0)
    band(top, edges, truth.share - truth.error, truth.share + truth.error)
    middles = _apart(edges, middle, others)
    for sample, colour, place in zip(others, colours, middles, strict=False):
        if sample.step:
            top.stairs(sample.share, edges, color=colour, linewidth=1.2, label=sample.label)
            continue
        seen = sample.share != 0
        points(top, place[seen], sample.share[seen], sample.error[seen], colour, size=size, label=sample.label)
        hollow = [end for end, beyond in zip((0, -1), sample.beyond, strict=True) if beyond]
        at_ends = place[hollow], sample.share[hollow]
        top.plot(*at_ends, "o", color=colour, markerfacecolor="white", markersize=size + 1, zorder=4)
    _ratio_panel(bottom, edges, truth, others, colours, middles)
    if logarithmic:
        bottom.set_xscale("log")


def _ratio_panel(
    axes: Axes,
    edges: np.ndarray,
    truth: Binned,
    others: Sequence[Binned],
    colours: Sequence[str],
    middles: Sequence[np.ndarray],
) -> None:
    """Draw samples over the truth where the truth has events; arrows mark ratios outside the panel."""
    low, high = 1 - RATIO_SPAN, 1 + RATIO_SPAN
    known = truth.share > 0
    relative = np.divide(truth.error, truth.share, out=np.zeros_like(truth.share), where=known)
    band(axes, edges, np.where(known, 1 - relative, 1), np.where(known, 1 + relative, 1))
    axes.axhline(1, color=TRUTH, linewidth=0.8)
    for sample, colour, middle in zip(others, colours, middles, strict=False):
        ratio = np.divide(sample.share, truth.share, out=np.ones_like(truth.share), where=known)
        error = np.divide(sample.error, truth.share, out=np.zeros_like(truth.share), where=known)
        if sample.step:
            axes.stairs(np.where(known, ratio, np.nan), edges, baseline=None, color=colour, linewidth=1.0)
            continue
        shown = known & (ratio >= low) & (ratio <= high)
        points(axes, middle[shown], ratio[shown], error[shown], colour, size=2.4)
        inset = RATIO_SPAN / 12
        for mask, place, marker in (
            (known & (ratio > high), high - inset, "^"),
            (known & (ratio < low), low + inset, "v"),
        ):
            axes.plot(middle[mask], np.full(np.count_nonzero(mask), place), marker, color=colour, markersize=3)
    axes.set_ylim(low, high)
    axes.set_yticks([0.5, 1.0, 1.5])
    axes.set_ylabel("Ratio")
    axes.grid(axis="y", color=GRID, linewidth=0.7)


def _apart(edges: np.ndarray, middle: np.ndarray, samples: Sequence[Binned]) -> list[np.ndarray]:
    """Return the positions of the points of each sample in each bin, side by side if there are several."""
    rank = np.cumsum([not sample.step for sample in samples])
    return [
        middle if sample.step else middle + 0.22 * (place - (rank[-1] + 1) / 2) * np.diff(edges)
        for sample, place in zip(samples, rank, strict=True)
    ]


def calibration_figure(
    x: np.ndarray,
    y: np.ndarray,
    y_error: np.ndarray,
    *,
    logarithmic: bool = True,
    label: str = "",
) -> bytes:
    """Draw exact weights y against learned weights x with errors, the diagonal, and y over x below.

    Parameters
    ----------
    x, y, y_error:
        one point per bin, (bins,) each; x above 0 if the axes are logarithmic.
    """
    good = (x > 0) & (y > 0) if logarithmic else np.ones(len(x), dtype=bool)
    x, y, y_error = x[good], y[good], y_error[good]
    with new_figure(4.2, 4.2, fitted=False) as figure:
        top, bottom = two_panels(figure, ratio=2.5, label_at=-0.135, top=0.985, bottom=0.105)
        ends = float(min(x.min(), (y - y_error).min())), float(max(x.max(), (y + y_error).max()))
        if logarithmic:
            low, high = max(ends[0], 0.5 * float(min(x.min(), y.min()))) / 1.15, ends[1] * 1.15
        else:
            margin = 0.05 * (ends[1] - ends[0])
            low, high = ends[0] - margin, ends[1] + margin
        top.plot([low, high], [low, high], color=DIAGONAL, linewidth=0.9, label="y = x")
        points(top, x, y, y_error, GENERATED, size=3.2, label=label or None)
        bottom.axhline(1, color=DIAGONAL, linewidth=0.9)
        points(bottom, x, y / x, y_error / np.abs(x), GENERATED, size=3.2)
        if logarithmic:
            top.set(xscale="log", yscale="log")
            for axis in (bottom.xaxis, top.yaxis):
                plain_numbers(axis, high / low)
        top.set(xlim=(low, high), ylim=(low, high), ylabel="Mean exact weight in a bin")
        top.legend(loc="upper left")
        reach = float(np.max(np.abs(y / x - 1) + y_error / np.abs(x)))
        reach = min(max(1.15 * reach, 0.02), 1.0)
        bottom.set(ylim=(1 - reach, 1 + reach), xlabel="Mean learned weight in a bin", ylabel="y / x")
        for axes in (top, bottom):
            axes.grid(color=GRID, linewidth=0.7)
        return svg_of(figure)


def reliability_figure(curves: Sequence[tuple[str, np.ndarray, np.ndarray, np.ndarray]]) -> bytes:
    """Draw the share of target events among events with a predicted probability, and the difference, with errors.

    Parameters
    ----------
    curves:
        a label, and the mean predicted probability, the observed share and its error, (bins,) each; five at most.
    """
    with new_figure(4.2, 4.2, fitted=False) as figure:
        top, bottom = two_panels(figure, ratio=2.5, label_at=-0.165, left=0.175, right=0.97, top=0.985, bottom=0.105)
        top.plot([0, 1], [0, 1], color=DIAGONAL, linewidth=0.9)
        bottom.axhline(0, color=DIAGONAL, linewidth=0.9)
        reach = 0.02
        for (label, predicted, observed, error), colour in zip(curves, SERIES, strict=False):
            points(top, predicted, observed, error, colour, size=3.2, label=label)
            points(bottom, predicted, observed - predicted, error, colour, size=3.2)
            reach = max(reach, 1.15 * float(np.max(np.abs(observed - predicted) + error)))
        top.set(xlim=(0, 1), ylim=(0, 1), ylabel="Share of target events")
        bottom.set(ylim=(-reach, reach), xlabel="Predicted probability of target", ylabel="Difference")
        top.legend(loc="upper left")
        for axes in (top, bottom):
            axes.grid(color=GRID, linewidth=0.7)
        return svg_of(figure)


def weights_figure(weights: Sequence[tuple[str, np.ndarray]]) -> bytes:
    """Draw the distribution of weights, on a logarithmic axis of counts; negative weights are included.

    Parameters
    ----------
    weights:
        a label and the weights, (N,); five at most.
    """
    everything = np.concatenate([values for _, values in weights])
    low, high = float(everything.min()), float(everything.max())
    if not high > low:
        low, high = low - 0.5, high + 0.5
    # Weights below 1 matter as much as those above: bins of equal ratios, unless some are 0 or negative.
    by_ratio = low > 0 and high / low > 3
    edges = np.geomspace(low, high, WEIGHT_BINS + 1) if by_ratio else np.linspace(low, high, WEIGHT_BINS + 1)
    edges[0], edges[-1] = low, high
    with new_figure(4.2, 3.0, fitted=False) as figure:
        axes = figure.subplots(gridspec_kw={**MARGINS, "bottom": 0.15, "top": 0.97})
        for number, (name, values) in enumerate(weights):
            counts = np.histogram(values, edges)[0]
            colour = SERIES[number % len(SERIES)]
            axes.stairs(counts, edges, color=colour, fill=True, alpha=0.15, linewidth=0)
            axes.stairs(counts, edges, color=colour, linewidth=1.2, label=name)
        axes.axvline(1, color=DIAGONAL, linewidth=0.9)
        axes.set_yscale("log")
        axes.set_ylim(0.5, None)
        if by_ratio:
            axes.set_xscale("log")
            plain_numbers(axes.xaxis, high / low)
        axes.set_xlabel("Weight of a source event")
        axes.set_ylabel("Events per bin")
        axes.grid(color=GRID, linewidth=0.7)
        axes.legend(loc="upper right")
        return svg_of(figure)
