"""Figures of fits, each as an SVG file: scans of a parameter, pulls, intervals of pseudo-experiments, ellipses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from simulacra.pages.style import (
    DIAGONAL,
    GENERATED,
    GRID,
    MARGINS,
    SERIES,
    TRUTH,
    axis_label,
    new_figure,
    points,
    svg_of,
)

MARKERS: Final = ("o", "s", "^", "D", "v")
ELLIPSES: Final = (0.683, 0.954)
PULLS: Final = 4.0
"""The largest pull of the histogram."""


@dataclass(frozen=True)
class Curve:
    """One line of a scan: its label, its values and their errors (None: no bars), (P,) each."""

    label: str
    value: np.ndarray
    error: np.ndarray | None = None


def scan_figure(
    parameter: np.ndarray,
    curves: Sequence[Curve],
    *,
    name: str,
    units: str = "1",
    value_label: str = "χ² / degrees of freedom",
    marked: Mapping[str, float] | None = None,
    unseen: Sequence[float] = (),
    expected: float | None = 1.0,
    logarithmic: bool = True,
    title: str = "",
) -> bytes:
    """Draw a quantity, such as χ²/ndf before and after weights, against a parameter.

    Parameters
    ----------
    parameter:
        the scanned values, (P,), [units].
    curves:
        such as before and after weights; five at most.
    marked:
        values of the parameter that get a vertical line with a label, such as the source's.
    unseen:
        values of ``parameter`` without training events; their points are hollow.
    expected:
        position of a horizontal line; None for none.
    """
    hollow = np.isin(parameter, np.asarray(unseen, dtype=float)) if len(unseen) else np.zeros(len(parameter), bool)
    with new_figure(4.6, 3.3, fitted=False) as figure:
        axes = figure.subplots(gridspec_kw={**MARGINS, "left": 0.17, "top": 0.92 if title else 0.975, "bottom": 0.14})
        if expected is not None:
            axes.axhline(expected, color=DIAGONAL, linewidth=0.9)
        for curve, colour, marker in zip(curves, SERIES, MARKERS, strict=False):
            error = np.zeros_like(curve.value) if curve.error is None else curve.error
            axes.plot(parameter, curve.value, color=colour, linewidth=1.0, zorder=2)
            for mask, face in ((~hollow, colour), (hollow, "white")):
                # The label belongs to the filled points, unless there are none.
                label = curve.label if face == colour or hollow.all() else None
                marks = parameter[mask], curve.value[mask], error[mask]
                points(axes, *marks, colour, marker=marker, size=4.5, face=face, label=label)
        if hollow.any():
            axes.plot(
                [], [], "o", color=TRUTH, markerfacecolor="white", markersize=4.5, label="value unseen in training"
            )
        if logarithmic:
            axes.set_yscale("log")
        low, high = axes.get_ylim()
        rows = (len(curves) + int(hollow.any()) + 1) // 2
        room = 0.1 * rows + 0.08
        axes.set_ylim(low, high * (high / low) ** room if logarithmic else high + room * (high - low))
        for text, place in (marked or {}).items():
            axes.axvline(place, color=TRUTH, linewidth=0.9, linestyle=(0, (3, 2)), zorder=1)
            # High up, for a scan is lowest where a parameter is worth a mark.
            axes.annotate(
                text,
                (place, 0.98 - 0.085 * rows),
                xytext=(3, 0),
                xycoords=axes.get_xaxis_transform(),
                textcoords="offset points",
                fontsize=7.5,
                color=TRUTH,
                rotation=90,
                va="top",
            )
        axes.set_xlabel(axis_label(name, units))
        axes.set_ylabel(value_label)
        if title:
            axes.set_title(title, loc="left", fontsize=9)
        axes.grid(color=GRID, linewidth=0.7)
        axes.legend(loc="upper left", ncols=2, borderaxespad=0.2)
        return svg_of(figure)


def pull_figure(pulls: np.ndarray, *, name: str) -> bytes:
    """Draw a histogram of pulls, (fit - truth) / uncertainty, under the unit Gaussian, with mean and width.

    Parameters
    ----------
    pulls:
        (E,), one per pseudo-experiment; those beyond 4 are in the outermost bins.
    """
    if len(pulls) < 2 or not np.isfinite(pulls).all():
        raise ValueError(f"pulls need at least two finite values, not {len(pulls)} values, some of them maybe NaN")
    n = len(pulls)
    bins = int(np.clip(round(np.sqrt(n)) * 2, 8, 40))
    edges = np.linspace(-PULLS, PULLS, bins + 1)
    counts = np.histogram(np.clip(pulls, -PULLS, PULLS), edges)[0]
    width = edges[1] - edges[0]
    mean, deviation = float(pulls.mean()), float(pulls.std(ddof=1))
    with new_figure(4.2, 3.0, fitted=False) as figure:
        axes = figure.subplots(gridspec_kw={**MARGINS, "bottom": 0.15, "left": 0.125, "top": 0.97})
        axes.stairs(counts, edges, fill=True, color=SERIES[0], alpha=0.2)
        axes.stairs(counts, edges, color=SERIES[0], linewidth=1.2, label=f"{n} pseudo-experiments")
        grid = np.linspace(-PULLS, PULLS, 201)
        gaussian = n * width * np.exp(-(grid**2) / 2) / np.sqrt(2 * np.pi)
        axes.plot(grid, gaussian, color=TRUTH, linewidth=1.2, label="unit Gaussian")
        text = (
            f"mean {mean:+.2f} ± {deviation / np.sqrt(n):.2f}\n"
            f"width {deviation:.2f} ± {deviation / np.sqrt(2 * (n - 1)):.2f}"
        ).replace("-", "\N{MINUS SIGN}")
        axes.text(0.985, 0.96, text, transform=axes.transAxes, ha="right", va="top", fontsize=8, linespacing=1.4)
        axes.set_xlim(-PULLS, PULLS)
        axes.set_ylim(0, 1.4 * max(float(counts.max()), float(gaussian.max())))
        axes.set_xlabel(f"Pull of {name}")
        axes.set_ylabel("Pseudo-experiments per bin")
        axes.legend(loc="upper left")
        return svg_of(figure)


def intervals_figure(
    fitted: np.ndarray, low: np.ndarray, high: np.ndarray, truth: float, *, name: str, units: str = "1"
) -> bytes:
    """Draw the interval of each pseudo-experiment, sorted by the fitted value, and the truth as a line.

    Parameters
    ----------
    fitted, low, high:
        the fitted value and the ends of its interval, (E,) each, [units].
    truth:
        the true value [units].
    """
    order = np.argsort(fitted, kind="stable")
    fitted, low, high = fitted[order], low[order], high[order]
    holds = (low <= truth) & (truth <= high)
    rank = np.arange(1, len(fitted) + 1)
    with new_figure(4.6, 3.2, fitted=False) as figure:
        axes = figure.subplots(gridspec_kw={**MARGINS, "left": 0.155, "bottom": 0.14, "top": 0.975})
        axes.axhline(truth, color=TRUTH, linewidth=1.1, label=f"truth {truth:g}")
        share = 100 * float(holds.mean())
        for mask, colour, text in (
            (holds, SERIES[0], f"contains the truth ({share:.0f} %)"),
            (~holds, GENERATED, f"misses it ({100 - share:.0f} %)"),
        ):
            if not mask.any():
                continue
            bars = np.stack([low[mask], high[mask], np.full(int(mask.sum()), np.nan)], axis=1).ravel()
            axes.plot(np.repeat(rank[mask], 3), bars, color=colour, linewidth=1.0)
            axes.plot(rank[mask], fitted[mask], "o", color=colour, markersize=2.6, label=text)
        bottom, top = axes.get_ylim()
        axes.set_ylim(bottom, top + 0.14 * (top - bottom))
        axes.set_xlim(0, len(fitted) + 1)
        axes.ticklabel_format(axis="y", useOffset=False)
        axes.set_xlabel("Pseudo-experiment, sorted by fitted value")
        axes.set_ylabel(axis_label(name, units))
        axes.grid(axis="y", color=GRID, linewidth=0.7)
        axes.legend(loc="upper left", ncols=3, handletextpad=0.3, columnspacing=1.0, fontsize=7.5)
        return svg_of(figure)


def ellipses_figure(
    fits: Sequence[tuple[str, np.ndarray, np.ndarray]],
    *,
    names: tuple[str, str],
    units: tuple[str, str] = ("1", "1"),
    truth: tuple[float, float] | None = None,
) -> bytes:
    """Draw the 68.3 % and 95.4 % ellipses of fits of two parameters.

    Parameters
    ----------
    fits:
        a label, the fitted values, (2,), and their covariance, (2, 2), for each; five at most.
    names, units:
        of the two parameters.
    truth:
        the true values.

    Raises
    ------
    ValueError
        if a covariance is not positive definite.
    """
    with new_figure(4.2, 3.8, fitted=False) as figure:
        axes = figure.subplots(gridspec_kw={**MARGINS, "bottom": 0.12, "left": 0.165, "top": 0.975})
        for (label, centre, covariance), colour in zip(fits, SERIES, strict=False):
            for share in ELLIPSES:
                try:
                    x, y = ellipse(centre, covariance, share)
                except np.linalg.LinAlgError:
                    raise ValueError(
                        f"the covariance of '{label}', {np.asarray(covariance).tolist()}, is not positive definite"
                    ) from None
                dashes = "-" if share < 0.7 else (0, (3, 2))
                axes.plot(x, y, color=colour, linewidth=1.2, linestyle=dashes)
                axes.fill(x, y, color=colour, alpha=0.08, linewidth=0)
            axes.plot(*centre, "o", color=colour, markersize=4, label=label)
        if truth is not None:
            axes.plot(*truth, "*", color=TRUTH, markersize=9, label="truth", zorder=4)
        axes.plot([], [], color=DIAGONAL, label="68.3 %")
        axes.plot([], [], color=DIAGONAL, linestyle=(0, (3, 2)), label="95.4 %")
        bottom, top = axes.get_ylim()
        axes.set_ylim(bottom, top + 0.25 * (top - bottom))
        axes.ticklabel_format(useOffset=False)
        axes.set_xlabel(axis_label(names[0], units[0]))
        axes.set_ylabel(axis_label(names[1], units[1]))
        axes.grid(color=GRID, linewidth=0.7)
        axes.legend(loc="upper left", ncols=2)
        return svg_of(figure)


def ellipse(centre: np.ndarray, covariance: np.ndarray, share: float) -> np.ndarray:
    """Return points on the ellipse with this content of a Gaussian in two dimensions, (2, 121)."""
    angle = np.linspace(0, 2 * np.pi, 121)
    circle = np.stack([np.cos(angle), np.sin(angle)])
    radius = np.sqrt(-2 * np.log(1 - share))
    return np.asarray(np.asarray(centre)[:, None] + radius * np.linalg.cholesky(covariance) @ circle)
