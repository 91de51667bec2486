"""Figures of showers against a condition: profiles, scans at fixed noise, extrapolation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simulacra.judges.calorimeter.images_and_response import EnergyProfiles
from simulacra.judges.calorimeter.scans import Extrapolation, Scan
from simulacra.pages.figures import two_panels
from simulacra.pages.style import (
    GENERATED,
    GRID,
    MARGINS,
    SERIES,
    TRUTH,
    new_figure,
    plain_numbers,
    points,
    svg_of,
    title,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def profile_figure(profiles: EnergyProfiles, truth_label: str, generated_label: str, *, width: bool = False) -> bytes:
    """Draw the mean (or the width over the mean) against the incident energy, and below generated over truth."""
    from matplotlib.ticker import MaxNLocator

    sides = []
    for side in (profiles.truth, profiles.generated):
        scale = np.where(side.mean != 0, side.mean, 1.0)
        value, error = (side.width / scale, side.width_error / scale) if width else (side.mean, side.mean_error)
        sides.append((side.position, value, error))
    (x, truth, truth_error), (x_generated, generated, generated_error) = sides
    with new_figure(4.2, 3.6, fitted=False) as figure:
        top, bottom = two_panels(figure)
        points(top, x, truth, truth_error, TRUTH, marker="s", line="-", label=truth_label)
        points(top, x_generated, generated, generated_error, GENERATED, line="-", label=generated_label)
        top.set_ylabel("Width / mean" if width else "Mean")
        # Steps of 1, 2 and 5: those of 2.5 need a digit more, and the label has no room beside it.
        top.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
        title(top, f"{profiles.long_name}: resolution" if width else profiles.long_name)
        top.margins(y=0.25)
        top.legend(loc="upper left", ncols=2, borderaxespad=0.1)
        fine = truth > 0
        if fine.any():
            ratio, error = generated[fine] / truth[fine], generated_error[fine] / truth[fine]
            relative = truth_error[fine] / truth[fine]
            bottom.fill_between(x[fine], 1 - relative, 1 + relative, color=TRUTH, alpha=0.22, linewidth=0)
            points(bottom, x_generated[fine], ratio, error, GENERATED)
        bottom.axhline(1, color=TRUTH, linewidth=0.8)
        bottom.set_ylabel("Ratio")
        bottom.margins(y=0.15)
        for axes in (top, bottom):
            axes.grid(color=GRID, linewidth=0.7)
            axes.ticklabel_format(axis="y", useOffset=False)
        _energy_axis(bottom, profiles.edges)
        return svg_of(figure)


def scan_figure(scan: Scan, observable: str, label: str, truth: EnergyProfiles | None, truth_label: str) -> bytes:
    """Draw an observable against the varied condition, one line per noise, over the truth's mean and width."""
    with new_figure(4.2, 3.0, fitted=False) as figure:
        axes = figure.subplots(gridspec_kw={**MARGINS, "bottom": 0.15})
        if truth is not None:
            x, side = truth.truth.position, truth.truth
            axes.fill_between(x, side.mean - side.width, side.mean + side.width, color=TRUTH, alpha=0.2, linewidth=0)
            axes.plot(x, side.mean, color=TRUTH, linewidth=1.0, label=f"{truth_label}, mean ± width")
        for number, row in enumerate(scan.observables[observable]):
            colour = SERIES[number % len(SERIES)]
            axes.plot(scan.values, row, ".-", color=colour, markersize=3.5, linewidth=0.9, label=f"noise {number + 1}")
        title(axes, label)
        axes.grid(color=GRID, linewidth=0.7)
        axes.margins(y=0.25)
        axes.legend(ncols=2, fontsize=7, loc="best", handletextpad=0.4)
        if scan.condition == "incident_energy":
            _energy_axis(axes, scan.values)
        else:
            axes.set_xlabel(f"{scan.condition.replace('_', ' ').capitalize()} [mm]")
        return svg_of(figure)


def extrapolation_figure(
    found: Extrapolation, observable: str, label: str, truth: EnergyProfiles | None, truth_label: str
) -> bytes:
    """Draw means against the incident energy inside the trained range and, hollow on a grey background, beyond it."""
    side = found.profiles[observable]
    with new_figure(4.2, 3.0, fitted=False) as figure:
        axes = figure.subplots(gridspec_kw={**MARGINS, "bottom": 0.15})
        if truth is not None:
            known = truth.truth
            points(axes, known.position, known.mean, known.mean_error, TRUTH, marker="s", line="-", label=truth_label)
        for mask, face, text in (
            (~found.outside, GENERATED, "trained range"),
            (found.outside, "white", "extrapolation"),
        ):
            marks = found.energies[mask], side.mean[mask], side.mean_error[mask]
            points(axes, *marks, GENERATED, size=5, face=face, label=f"generated, {text}")
        low, high = found.energies.min() * 0.85, found.energies.max() * 1.18
        for start, stop in ((low, found.trained[0]), (found.trained[1], high)):
            axes.axvspan(start, stop, color="#e69f00", alpha=0.14, linewidth=0)
        axes.set_xlim(low, high)
        title(axes, label)
        axes.margins(y=0.3)
        axes.grid(color=GRID, linewidth=0.7)
        axes.legend(fontsize=7)
        _energy_axis(axes, found.energies)
        return svg_of(figure)


def _energy_axis(axes: Axes, energies: np.ndarray) -> None:
    axes.set(xscale="log", xlabel="Incident energy [GeV]")
    plain_numbers(axes.xaxis, float(energies.max() / energies.min()))
