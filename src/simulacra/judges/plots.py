"""The figures of a report: histograms, ROC curves and profiles, each as an SVG text with statistical errors."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from simulacra.judges.classifier import FALSE_POSITIVE_GRID
from simulacra.judges.histograms import Comparison
from simulacra.judges.scans import Extrapolation, Scan
from simulacra.judges.separability import Roc
from simulacra.judges.showers import EnergyProfiles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette, which readers with any colour vision can tell apart.
TRUTH: Final = "#4d4d4d"
GENERATED: Final = "#d55e00"
SERIES: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00")
GRID: Final = "#e3e6ea"
INK: Final = "#1d2530"
STYLE: Final[dict[Any, Any]] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.edgecolor": "#8a94a0",
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": "#5b6570",
    "ytick.color": "#5b6570",
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "svg.hashsalt": "simulacra",
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}
MARGINS: Final = {"left": 0.16, "right": 0.985, "bottom": 0.125, "top": 0.92, "hspace": 0.09}


@contextmanager
def new_figure(width: float, height: float, *, fitted: bool = True) -> Iterator[Figure]:
    """Give a figure of this size [inch] in the report's style, without touching pyplot's state.

    Fitting the margins to the labels takes longer than drawing: a figure whose labels are known does without.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(STYLE):
        yield Figure(figsize=(width, height), layout="constrained" if fitted else None)


def svg_of(figure: Figure) -> bytes:
    """Return a figure as an SVG file."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    buffer = io.BytesIO()
    FigureCanvasSVG(figure)
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return _compact(buffer.getvalue().decode("utf-8")).encode("utf-8")


def _compact(svg: str) -> str:
    """Return an SVG without what no reader sees: a third decimal of a place, comments, blanks between the tags."""
    svg = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(?<= )(d|x|y)="[^"]*"', lambda m: re.sub(r"(\.\d\d)\d+", r"\1", m.group(0)).replace("\n", " "), svg)
    return re.sub(r">\s+<", "><", svg)


def axis_label(name: str, units: str) -> str:
    """Return "Energy in section 0 [MeV]"."""
    return name if units == "1" else f"{name} [{units}]"


def histogram_figure(comparison: Comparison, truth_label: str, generated_label: str) -> bytes:
    """Draw one observable in both samples, and their ratio below."""
    edges = comparison.binning.edges
    truth, generated = comparison.truth, comparison.generated
    middle = np.sqrt(edges[1:] * edges[:-1]) if comparison.binning.logarithmic else (edges[1:] + edges[:-1]) / 2
    with new_figure(4.2, 3.5, fitted=False) as figure:
        margins = {**MARGINS, "top": 0.985}
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1.25], gridspec_kw=margins)
        top.stairs(truth.share, edges, fill=True, color=TRUTH, alpha=0.22, label=truth_label)
        top.stairs(truth.share, edges, color=TRUTH, linewidth=1.0)
        _band(top, edges, truth.share - truth.error, truth.share + truth.error)
        seen = generated.share > 0
        _points(
            top, middle[seen], generated.share[seen], generated.error[seen], GENERATED, size=2.6, label=generated_label
        )
        for place, beyond in ((0, generated.below), (-1, generated.above)):
            if beyond > 0:
                top.plot(
                    middle[place],
                    generated.share[place],
                    "o",
                    color=GENERATED,
                    markerfacecolor="white",
                    markersize=3.6,
                    zorder=4,
                )
        top.set_ylabel("Share of showers a bin")
        top.set_ylim(0, 1.32 * max(truth.share.max(), generated.share.max()))
        top.legend(loc="upper left", ncols=2, borderaxespad=0.1, handletextpad=0.4, columnspacing=1.2)
        _ratio_panel(bottom, middle, edges, (truth.share, truth.error), (generated.share, generated.error))
        if comparison.binning.logarithmic:
            bottom.set_xscale("log")
        bottom.set_xlabel(axis_label(comparison.long_name, comparison.units))
        for axes in (top, bottom):
            axes.yaxis.set_label_coords(-0.145, 0.5)
        return svg_of(figure)


def roc_figure(rocs: Sequence[Roc]) -> bytes:
    """Draw the ROC curve of each classifier with its error over folds, and truth against truth dashed."""
    with new_figure(4.6, 4.2) as figure:
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color="#8a94a0", linewidth=0.8)
        for roc, colour in zip(rocs, SERIES, strict=False):
            judged = roc.judged
            label = f"{roc.observable}: AUC {judged.auc:.3f} ± {judged.uncertainty:.3f}"
            axes.plot(FALSE_POSITIVE_GRID, judged.efficiency, color=colour, linewidth=1.5, label=label)
            low, high = judged.efficiency - judged.efficiency_error, judged.efficiency + judged.efficiency_error
            axes.fill_between(FALSE_POSITIVE_GRID, low, high, color=colour, alpha=0.2, linewidth=0)
            axes.plot(FALSE_POSITIVE_GRID, roc.truth.efficiency, color=colour, linewidth=1.0, linestyle=(0, (3, 2)))
        axes.plot([], [], color=TRUTH, linewidth=1.0, linestyle=(0, (3, 2)), label="truth against truth")
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        axes.set_xlabel("Truth showers called generated")
        axes.set_ylabel("Generated showers called generated")
        axes.grid(color=GRID, linewidth=0.7)
        axes.legend(loc="lower right")
        return svg_of(figure)


def profile_figure(profiles: EnergyProfiles, truth_label: str, generated_label: str, *, width: bool = False) -> bytes:
    """Draw the mean (or the width over the mean) against the incident energy, and generated over truth below."""
    sides = []
    for side in (profiles.truth, profiles.generated):
        scale = np.where(side.mean != 0, side.mean, 1.0)
        value, error = (side.width / scale, side.width_error / scale) if width else (side.mean, side.mean_error)
        sides.append((side.position, value, error))
    (x, truth, truth_error), (x_generated, generated, generated_error) = sides
    with new_figure(4.2, 3.6, fitted=False) as figure:
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1.25], gridspec_kw=MARGINS)
        _points(top, x, truth, truth_error, TRUTH, marker="s", line="-", label=truth_label)
        _points(top, x_generated, generated, generated_error, GENERATED, line="-", label=generated_label)
        top.set_ylabel("Width / mean" if width else "Mean")
        _title(top, f"{profiles.long_name}: resolution" if width else profiles.long_name)
        top.margins(y=0.25)
        top.grid(color=GRID, linewidth=0.7)
        top.legend(loc="upper left", ncols=2, borderaxespad=0.1)
        fine = truth > 0
        if fine.any():
            ratio, error = generated[fine] / truth[fine], generated_error[fine] / truth[fine]
            relative = truth_error[fine] / truth[fine]
            bottom.fill_between(x[fine], 1 - relative, 1 + relative, color=TRUTH, alpha=0.22, linewidth=0)
            _points(bottom, x_generated[fine], ratio, error, GENERATED)
        bottom.axhline(1, color=TRUTH, linewidth=0.8)
        bottom.set_ylabel("Ratio")
        bottom.margins(y=0.15)
        bottom.grid(color=GRID, linewidth=0.7)
        for axes in (top, bottom):
            axes.ticklabel_format(axis="y", useOffset=False)
        _energy_axis(bottom)
        for axes in (top, bottom):
            axes.yaxis.set_label_coords(-0.145, 0.5)
        return svg_of(figure)


def scan_figure(scan: Scan, observable: str, label: str, truth: EnergyProfiles | None, truth_label: str) -> bytes:
    """Draw an observable against the condition that moves, one line a noise, over the truth's mean and width."""
    with new_figure(4.2, 3.0, fitted=False) as figure:
        axes = figure.subplots(gridspec_kw={**MARGINS, "bottom": 0.15})
        if truth is not None:
            x, side = truth.truth.position, truth.truth
            axes.fill_between(x, side.mean - side.width, side.mean + side.width, color=TRUTH, alpha=0.2, linewidth=0)
            axes.plot(x, side.mean, color=TRUTH, linewidth=1.0, label=f"{truth_label}, mean ± width")
        for number, row in enumerate(scan.observables[observable]):
            colour = SERIES[number % len(SERIES)]
            axes.plot(scan.values, row, ".-", color=colour, markersize=3.5, linewidth=0.9, label=f"noise {number + 1}")
        _title(axes, label)
        axes.grid(color=GRID, linewidth=0.7)
        axes.margins(y=0.25)
        axes.legend(ncols=2, fontsize=7, loc="best", handletextpad=0.4)
        if scan.condition == "incident_energy":
            _energy_axis(axes)
        else:
            axes.set_xlabel(f"{scan.condition.replace('_', ' ').capitalize()} [mm]")
        return svg_of(figure)


def extrapolation_figure(
    found: Extrapolation, observable: str, label: str, truth: EnergyProfiles | None, truth_label: str
) -> bytes:
    """Draw means against the incident energy inside and, hollow and on a shaded ground, beyond the trained range."""
    side = found.profiles[observable]
    with new_figure(4.2, 3.0, fitted=False) as figure:
        axes = figure.subplots(gridspec_kw={**MARGINS, "bottom": 0.15})
        if truth is not None:
            side_of_truth = truth.truth
            _points(
                axes,
                side_of_truth.position,
                side_of_truth.mean,
                side_of_truth.mean_error,
                TRUTH,
                marker="s",
                line="-",
                label=truth_label,
            )
        for mask, face, text in (
            (~found.outside, GENERATED, "trained range"),
            (found.outside, "white", "extrapolation"),
        ):
            _points(
                axes,
                found.energies[mask],
                side.mean[mask],
                side.mean_error[mask],
                GENERATED,
                size=5,
                face=face,
                label=f"generated, {text}",
            )
        low, high = found.energies.min() * 0.85, found.energies.max() * 1.18
        for start, stop in ((low, found.trained[0]), (found.trained[1], high)):
            axes.axvspan(start, stop, color="#e69f00", alpha=0.14, linewidth=0)
        axes.set_xlim(low, high)
        _title(axes, label)
        axes.margins(y=0.3)
        axes.grid(color=GRID, linewidth=0.7)
        axes.legend(fontsize=7)
        _energy_axis(axes)
        return svg_of(figure)


def distance_figure(generated: np.ndarray, truth: np.ndarray, reference: str, labels: tuple[str, str]) -> bytes:
    """Draw the distances to the nearest reference shower, of generated and of unseen truth showers."""
    edges = np.linspace(0, float(max(np.quantile(generated, 0.99), np.quantile(truth, 0.99))), 36)
    with new_figure(4.6, 3.0) as figure:
        axes = figure.subplots()
        for values, colour, label in ((truth, TRUTH, f"unseen {labels[0]}"), (generated, GENERATED, labels[1])):
            counts = np.histogram(values, edges)[0]
            share, error = counts / len(values), np.sqrt(counts) / len(values)
            axes.stairs(
                share,
                edges,
                color=colour,
                linewidth=1.2,
                label=label,
                fill=colour == TRUTH,
                alpha=1 if colour != TRUTH else 0.3,
            )
            _points(axes, (edges[1:] + edges[:-1]) / 2, share, error, colour, marker="none")
        axes.set_xlabel(f"Hellinger distance to the nearest {reference} shower")
        axes.set_ylabel("Share of showers a bin")
        axes.set_xlim(0, edges[-1])
        axes.legend()
        return svg_of(figure)


def _ratio_panel(
    axes: Axes,
    middle: np.ndarray,
    edges: np.ndarray,
    truth: tuple[np.ndarray, np.ndarray],
    generated: tuple[np.ndarray, np.ndarray],
) -> None:
    """Draw generated over truth where the truth has events; arrows stand for ratios off the panel."""
    low, high = 0.4, 1.6
    known = truth[0] > 0
    relative = np.divide(truth[1], truth[0], out=np.zeros_like(truth[0]), where=known)
    _band(axes, edges, np.where(known, 1 - relative, 1), np.where(known, 1 + relative, 1))
    axes.axhline(1, color=TRUTH, linewidth=0.8)
    ratio = np.divide(generated[0], truth[0], out=np.ones_like(truth[0]), where=known)
    error = np.divide(generated[1], truth[0], out=np.zeros_like(truth[0]), where=known)
    shown = known & (ratio >= low) & (ratio <= high)
    _points(axes, middle[shown], ratio[shown], error[shown], GENERATED, size=2.4)
    for mask, place, marker in ((known & (ratio > high), high - 0.05, "^"), (known & (ratio < low), low + 0.05, "v")):
        axes.plot(middle[mask], np.full(np.count_nonzero(mask), place), marker, color=GENERATED, markersize=3)
    axes.set_ylim(low, high)
    axes.set_yticks([0.5, 1.0, 1.5])
    axes.set_ylabel("Ratio")
    axes.grid(axis="y", color=GRID, linewidth=0.7)


def _points(
    axes: Axes,
    x: np.ndarray,
    y: np.ndarray,
    error: np.ndarray,
    colour: str,
    *,
    marker: str = "o",
    size: float = 4.0,
    line: str = "none",
    label: str | None = None,
    face: str | None = None,
) -> None:
    """Draw points with error bars, all bars as one path: a tenth of the size of matplotlib's own in an SVG."""
    bars = np.stack([y - error, y + error, np.full_like(y, np.nan)], axis=1).ravel()
    axes.plot(np.repeat(x, 3), bars, color=colour, linewidth=0.9, zorder=2)
    style: dict[str, Any] = {"color": colour, "markersize": size, "linewidth": 1.0, "zorder": 3}
    axes.plot(x, y, marker=marker, linestyle=line, label=label, markerfacecolor=face or colour, **style)


def _band(axes: Axes, edges: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
    axes.fill_between(
        edges, np.append(low, low[-1]), np.append(high, high[-1]), step="post", color=TRUTH, alpha=0.35, linewidth=0
    )


def _energy_axis(axes: Axes) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("Incident energy [GeV]")


def _title(axes: Axes, text: str) -> None:
    axes.set_title(text, loc="left", fontsize=9, color=INK)
