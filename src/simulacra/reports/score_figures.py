"""Figures of a score: its ROC curve, the significance improvement, and the background efficiency in bins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from simulacra.judges.scores import GRID, LABELS
from simulacra.pages.figures import Binned, draw_histograms, two_panels
from simulacra.pages.style import (
    DIAGONAL,
    GENERATED,
    SERIES,
    TRUTH,
    axis_label,
    new_figure,
    svg_of,
    title,
)
from simulacra.pages.style import (
    GRID as LINES,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from simulacra.statistics.binned_efficiency import EfficiencyInBins
    from simulacra.statistics.distances.histograms import Binning
    from simulacra.statistics.significance_improvement import Chance, EfficiencyCurve, HeldOut


def roc_figure(curve: EfficiencyCurve) -> bytes:
    """Draw the signal efficiency against the background efficiency on logarithmic axes, with one error of each."""
    with new_figure(4.6, 3.6) as figure:
        axes = figure.subplots()
        x, y = curve.background, curve.signal
        axes.fill_between(
            x, np.maximum(y - curve.signal_error, 1e-9), y + curve.signal_error, color=GENERATED, alpha=0.25
        )
        axes.fill_betweenx(
            y, np.maximum(x - curve.background_error, 1e-9), x + curve.background_error, color=GENERATED, alpha=0.25
        )
        axes.plot(x, y, color=GENERATED, linewidth=1.2, label="score")
        ends = np.array([0.8 * x[0], 1.0])
        axes.plot(ends, ends, color=DIAGONAL, linewidth=0.9, label="chance")
        low = min(float(y[y > 0].min(initial=1.0)), float(x[0]))
        axes.set(xscale="log", yscale="log", xlim=(ends[0], 1.05), ylim=(0.8 * low, 1.2))
        axes.set(xlabel="Background efficiency", ylabel="Signal efficiency")
        axes.grid(color=LINES, linewidth=0.7)
        axes.legend(loc="lower right")
        return svg_of(figure)


def improvement_figure(curve: EfficiencyCurve, chance: Chance, held_out: HeldOut | None) -> bytes:
    """Draw the significance improvement against the signal efficiency, with one error and the band of chance."""
    with new_figure(4.6, 3.6) as figure:
        axes = figure.subplots()
        value, error = curve.improvement, curve.improvement_error
        axes.fill_between(
            curve.signal, np.maximum(value - error, 0), value + error, color=GENERATED, alpha=0.25, linewidth=0
        )
        axes.plot(curve.signal, value, color=GENERATED, linewidth=1.2, label="score")
        there = np.isfinite(chance.improvements).mean(axis=0) > 0.975
        low, high = np.nanquantile(chance.improvements[:, there], [0.025, 0.975], axis=0)
        axes.fill_between(
            GRID[there], low, high, color=TRUTH, alpha=0.35, linewidth=0, label="background against background, 95 %"
        )
        if held_out is not None:
            axes.errorbar(
                held_out.signal,
                held_out.value,
                held_out.error,
                fmt="o",
                color=SERIES[0],
                markersize=4,
                linewidth=1,
                label="best cut, judged on other events",
                zorder=4,
            )
        axes.axhline(1, color=DIAGONAL, linewidth=0.9)
        axes.set(xlim=(0, 1), xlabel="Signal efficiency", ylabel="Significance improvement")
        # The legend is above the curves.
        axes.set_ylim(0, 1.45 * max(1.0, float((value + error).max())))
        axes.grid(color=LINES, linewidth=0.7)
        axes.legend(loc="upper left")
        return svg_of(figure)


def scores_figure(binning: Binning, samples: Sequence[Binned], name: str, units: str) -> bytes:
    """Draw the shares of the samples per bin on a logarithmic axis, and below their ratios to the first sample."""
    with new_figure(4.6, 3.6, fitted=False) as figure:
        top, bottom = two_panels(figure, top=0.985)
        truth, *others = samples
        draw_histograms(top, bottom, binning.edges, truth, others, SERIES, logarithmic=binning.logarithmic)
        shares = np.concatenate([sample.share[sample.share > 0] for sample in samples])
        low, high = 0.3 * float(shares.min()), float(shares.max())
        # The legend is above the curves.
        top.set(yscale="log", ylim=(low, high * (high / low) ** 0.32), ylabel="Share of events per bin")
        top.legend(loc="upper left", ncols=2, borderaxespad=0.1, handletextpad=0.4, columnspacing=1.2)
        bottom.set_xlabel(axis_label(name, units))
        return svg_of(figure)


def efficiency_figure(
    own: Sequence[EfficiencyInBins], other: Sequence[EfficiencyInBins], name: str, units: str
) -> bytes:
    """Draw the background efficiency over that of the cut in bins of a condition, one panel per cut.

    Parameters
    ----------
    own, other:
        of the background that the cuts were set on, and of a second one, for one condition.
    name, units:
        label and units of the axis.
    """
    wanted = sorted({one.cut.wanted for one in (*own, *other)}, reverse=True)
    with new_figure(4.6, 0.9 + 1.35 * len(wanted)) as figure:
        panels = figure.subplots(len(wanted), 1, sharex=True, squeeze=False)[:, 0]
        for axes, cut in zip(panels, wanted, strict=True):
            axes.axhline(1, color=TRUTH, linewidth=0.8)
            for tables, colour, label in ((own, SERIES[0], LABELS[0]), (other, GENERATED, LABELS[2])):
                for one in tables:
                    if one.cut.wanted == cut:
                        _draw_bins(axes, one, colour, label, band=colour == SERIES[0] or not own)
            low, high = axes.get_ylim()
            axes.set_ylim(max(0.0, low), high + 0.25 * (high - max(0.0, low)))
            title(axes, f"cut at {100 * cut:g} % of the background")
            axes.grid(axis="y", color=LINES, linewidth=0.7)
        panels[0].legend(loc="upper left", ncols=2)
        panels[-1].set_xlabel(axis_label(name, units))
        figure.supylabel("Efficiency over that of the cut", fontsize=9)
        return svg_of(figure)


def _draw_bins(axes: Axes, one: EfficiencyInBins, colour: str, label: str, *, band: bool) -> None:
    value, error, limit = (values / one.cut.efficiency for values in (one.value, one.error, one.limit))
    if band:
        edges = np.repeat(one.edges, 2)[1:-1]
        axes.fill_between(edges, np.repeat(1 - limit, 2), np.repeat(1 + limit, 2), color=TRUTH, alpha=0.18, linewidth=0)
    middle = (one.edges[1:] + one.edges[:-1]) / 2
    axes.errorbar(
        middle, value, error, np.diff(one.edges) / 2, fmt="o", color=colour, markersize=2.6, linewidth=0.9, label=label
    )
