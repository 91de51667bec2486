"""The figure of learned splittings: z, kT and angle at two energies that training never saw, for each model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from simulacra.pages.figures import Binned, draw_histograms
from simulacra.pages.style import SERIES, new_figure, svg_of, title
from simulacra.whole_files import write_whole

#: edges of the bins of logarithms of z, kT [GeV] and angle
EDGES: Final[Mapping[str, np.ndarray]] = {
    "log z": np.linspace(-6.0, np.log(0.5), 28),
    "log kT": np.linspace(0.0, 5.5, 28),
    "log angle": np.linspace(-6.0, 0.0, 28),
}
LABELS: Final = {"log z": "ln z", "log kT": "ln (kT / GeV)", "log angle": "ln (angle / rad)"}
MARGINS: Final = {"left": 0.2, "right": 0.98, "bottom": 0.2, "top": 0.88, "hspace": 0.09}


def draw(found: Mapping[str, Any], path: Path) -> None:
    """Draw the figure as an SVG file: the truth filled, other truth and the model as points, and ratios."""
    rows = [(name, one, energy) for name, one in found["models"].items() for energy in one["histograms"]]
    with new_figure(10.0, 2.8 * len(rows), fitted=False) as figure:
        figure.set_facecolor("white")
        parts = figure.subfigures(len(rows), len(EDGES), squeeze=False)
        for line, (name, one, energy) in zip(parts, rows, strict=True):
            for part, (column, edges) in zip(line, EDGES.items(), strict=True):
                top, bottom = part.subplots(2, 1, sharex=True, height_ratios=[2.2, 1], gridspec_kw=MARGINS)
                samples = one["histograms"][energy][column]
                truth, other, model = (
                    Binned(label, np.array(samples[key]["share"]), np.array(samples[key]["error"]))
                    for key, label in (("truth", "truth"), ("other", "other truth"), ("model", "learned"))
                )
                draw_histograms(top, bottom, edges, truth, [other, model], SERIES, logarithmic=False, size=2.2)
                top.set_ylim(0, 1.3 * max(truth.share.max(), model.share.max()))
                bottom.set_xlabel(LABELS[column], fontsize=8)
                title(top, f"{name.removeprefix('parton-shower-')}, {energy} GeV: {one['what']}")
                if column == "log z":
                    top.legend(loc="upper left", ncols=3, fontsize=7)
                else:
                    top.set_ylabel("")
                    bottom.set_ylabel("")
        write_whole(path, svg_of(figure).decode("utf-8"))
