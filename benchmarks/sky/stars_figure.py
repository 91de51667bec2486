"""The figure of the Cepheids: Fourier parameters against the period, and the Hertzsprung progression of one code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

LABELS: Final = {"r21": "R₂₁", "phi21": "φ₂₁ [rad]", "r31": "R₃₁", "phi31": "φ₃₁ [rad]"}


def draw(found: Mapping[str, Any], path: Path) -> None:
    """Draw four parameters against the period, and cycles while it is scanned."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams["svg.hashsalt"] = "simulacra"
    figure = Figure(figsize=(12, 5.6), layout="constrained")
    grid = figure.add_gridspec(2, 3, width_ratios=(1, 1, 0.9))
    for k, name in enumerate(LABELS):
        axes = figure.add_subplot(grid[k % 2, k // 2])
        _parameter(axes, found, name)
        axes.set(xscale="log", xlabel="period [d]", ylabel=LABELS[name])
        axes.set_xticks([2, 5, 10, 20, 40], ["2", "5", "10", "20", "40"])
        axes.minorticks_off()
        if k == 0:
            axes.legend(frameon=False, fontsize="small")
    axes = figure.add_subplot(grid[:, 2])
    cycles = found["progression"]["cycles"]
    for k, cycle in enumerate(cycles):
        values = np.array(cycle["magnitude"])
        twice = np.concatenate([values, values, values[:1]]) / np.ptp(values)
        phase = np.arange(len(twice)) / len(values)
        axes.plot(phase, twice + 1.15 * k, color=f"C{k}")
        axes.annotate(f"{cycle['period']:.1f} d", (2.02, twice[-1] + 1.15 * k), fontsize="small", va="center")
    axes.invert_yaxis()
    axes.set(xlabel="phase", ylabel="magnitude, in amplitudes", xlim=(0, 2.3), title="one code, the period scanned")
    axes.set_yticks([])
    figure.savefig(path, metadata={"Date": None})


def _parameter(axes: Any, found: Mapping[str, Any], name: str) -> None:
    """Draw medians and central 68 % in bins of the period, of observed and generated stars, and the scanned code."""
    bins = found["bins"]
    period = np.array([row["period"] for row in bins])
    medians = np.array([])
    for k, (which, label) in enumerate((("truth", "OGLE, test stars"), ("model", "generated"))):
        low, middle, high = np.array([row[name][which] for row in bins]).T
        middle = _continuous(name, middle)
        shift = 1.0 if k == 0 else 1.03
        axes.errorbar(
            shift * period, middle, (-low, high), fmt="o" if k == 0 else "s", color="k" if k == 0 else "C0",
            capsize=2, markersize=4, label=label,
        )  # fmt: skip
        if k == 0:
            medians = middle
    scanned = np.array(found["progression"][name])
    if name.startswith("phi"):
        # A phase and a turn more are the same: the one nearer to the stars' is drawn.
        near = np.interp(np.log(found["progression"]["period"]), np.log(period), medians)
        scanned = scanned + 2 * np.pi * np.round((near - scanned) / (2 * np.pi))
    axes.plot(found["progression"]["period"], scanned, color="C3", linewidth=1, label="one code")


def _continuous(name: str, values: np.ndarray) -> np.ndarray:
    """Return phases without jumps of a turn."""
    return np.unwrap(values) if name.startswith("phi") else values
