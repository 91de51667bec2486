"""The figure of correlation matrices."""

from __future__ import annotations

from typing import Final

import numpy as np

from simulacra.pages.style import axis_label, new_figure, svg_of, title
from simulacra.statistics.distances.correlations import Correlations

MOST_LABELS: Final = 40


def correlation_figure(found: Correlations, truth_label: str, generated_label: str) -> bytes:
    """Draw both matrices and their difference in standard deviations by chance, as an SVG."""
    n = len(found.names)
    size = max(2.3, min(5.0, 0.17 * n + 0.8))
    largest = max(3.0, min(10.0, float(np.abs(found.pulls).max())))
    with new_figure(3 * size + 1.6, size + 1.0) as figure:
        panels = (
            (found.truth, f"Correlations, {truth_label}", 1.0, ""),
            (found.generated, f"Correlations, {generated_label}", 1.0, "Correlation"),
            (found.pulls, "Difference over error by chance", largest, axis_label("Difference", "σ")),
        )
        for axes, (matrix, heading, limit, bar) in zip(figure.subplots(1, 3), panels, strict=True):
            mesh = axes.imshow(matrix, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest")
            title(axes, heading)
            labelled = n <= MOST_LABELS and axes is figure.axes[0]
            axes.set_yticks(
                range(n) if labelled else [], [name.replace("_", " ") for name in found.names] if labelled else []
            )
            axes.set_xticks([])
            axes.tick_params(labelsize=min(8.0, 1.1 * 72 * size / (n + 4) / 1.5))
            if bar:
                figure.colorbar(mesh, ax=axes, shrink=0.8, label=bar)
        i, j = found.worst
        for place in ((i, j), (j, i)):
            figure.axes[2].plot(*place, marker="s", markerfacecolor="none", color="#1d2530", markersize=6)
        return svg_of(figure)
