"""Pictures of showers as PNG files: mean images of the sections and their ratio, single showers and neighbours."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from simulacra.geometry import CalorimeterGeometry
from simulacra.judges.calorimeter.images_and_response import MeanImages
from simulacra.pages.style import INK, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

DOTS_PER_INCH: Final = 130
DECADES: Final = 5.0
LARGEST_RATIO: Final = 2.0
LARGEST_RELATIVE_ERROR: Final = 0.5
MOST_SECTIONS: Final = 6
EMPTY: Final = "#eceff2"


def shown_sections(geometry: CalorimeterGeometry) -> list[int]:
    """Return the sections to draw: all, or six spread over the depth of a detector with more."""
    n = len(geometry.sections)
    return list(range(n)) if n <= MOST_SECTIONS else sorted({round(i) for i in np.linspace(0, n - 1, MOST_SECTIONS)})


def section_title(geometry: CalorimeterGeometry, section: int) -> str:
    """Return the name of a section as a title."""
    return geometry.sections[section].name.replace("_", " ").capitalize()


def mean_image_figures(
    geometry: CalorimeterGeometry, images: MeanImages, section: int, labels: tuple[str, str]
) -> list[bytes]:
    """Draw the mean image of a section in truth and generated events, on one colour scale, and their ratio."""
    from matplotlib.colors import LogNorm

    cells = geometry.section_slice(section)
    truth, generated = images.truth[cells], images.generated[cells]
    high = float(max(truth.max(), generated.max(), 1e-6))
    known = (truth > 0) & (images.truth_error[cells] < LARGEST_RELATIVE_ERROR * truth)
    ratio = np.divide(generated, truth, out=np.full(len(truth), np.nan), where=known)
    figures = []
    for values, label in ((truth, labels[0]), (generated, labels[1]), (ratio, "ratio")):
        with new_figure(3.7, 3.15, fitted=False) as figure:
            margins = {"left": 0.155, "right": 0.82, "bottom": 0.135, "top": 0.92, "wspace": 0.06}
            axes, scale = figure.subplots(1, 2, width_ratios=[20, 1], gridspec_kw=margins)
            heading = f"{section_title(geometry, section)} · {label}"
            axes.set_title(heading, fontsize=9.5, color=INK, fontweight="bold", loc="left")
            if values is ratio:
                mesh = _draw(axes, geometry, section, ratio, LogNorm(1 / LARGEST_RATIO, LARGEST_RATIO), "PuOr_r")
                bar = figure.colorbar(mesh, cax=scale, extend="both", label="Generated over truth")
                bar.set_ticks([0.5, 0.7, 1.0, 1.4, 2.0], labels=["0.5", "0.7", "1", "1.4", "2"])
                bar.minorticks_off()
            else:
                mesh = _draw(axes, geometry, section, values, LogNorm(high / 10**DECADES, high), "viridis")
                figure.colorbar(mesh, cax=scale, extend="min", label="Mean energy [MeV per cell]")
            figures.append(_png(figure))
    return figures


def shower_rows(
    geometry: CalorimeterGeometry, rows: Sequence[np.ndarray], titles: Sequence[str], sections: Sequence[int]
) -> bytes:
    """Draw single showers, one per row, one section per column, all on one colour scale.

    Parameters
    ----------
    rows:
        cells of each shower, (n_cells,), [MeV].
    titles:
        text at the left of each row.
    """
    from matplotlib.colors import LogNorm

    high = float(np.max([row.max() for row in rows])) or 1.0
    norm = LogNorm(high / 10**DECADES, high)
    names = _axis_names(geometry)
    width, height = 1.55 * len(sections) + 1.75, 1.5 * len(rows) + 0.75
    margins = {"left": 0.95 / width, "right": 1 - 0.75 / width, "bottom": 0.45 / height, "top": 1 - 0.25 / height}
    with new_figure(width, height, fitted=False) as figure:
        spaces = {**margins, "wspace": 0.12, "hspace": 0.07}
        grid = figure.subplots(len(rows), len(sections), squeeze=False, sharex="col", sharey="col", gridspec_kw=spaces)
        scale = figure.add_axes((1 - 0.65 / width, margins["bottom"], 0.11 / width, margins["top"] - margins["bottom"]))
        for number, (row, title) in enumerate(zip(rows, titles, strict=True)):
            for axes, section in zip(grid[number], sections, strict=True):
                mesh = _draw(axes, geometry, section, row[geometry.section_slice(section)], norm, "viridis")
                axes.set_xlabel(names[0] if number == len(rows) - 1 else "")
                axes.set_ylabel("")
                axes.tick_params(labelleft=section == sections[0])
                if number == 0:
                    axes.set_title(section_title(geometry, section), fontsize=9, color=INK)
            grid[number][0].set_ylabel(f"{title}\n{names[1]}")
        figure.colorbar(mesh, cax=scale, extend="min", label="Energy [MeV per cell]")
        return _png(figure)


def _draw(
    axes: Axes, geometry: CalorimeterGeometry, section: int, values: np.ndarray, norm: Normalize, colours: str
) -> QuadMesh:
    """Draw the cells of one section in their place; cells without a value (or below the scale) stay grey or dark."""
    from matplotlib import colormaps

    shape = geometry.section_shape(section)
    across, up = _edges(geometry, section)
    colour_map = colormaps[colours].with_extremes(bad=EMPTY)
    image = np.ma.masked_invalid(np.where(values > 0, values, np.nan)).reshape(shape)
    axes.set_facecolor(EMPTY)
    names = _axis_names(geometry)
    axes.set_xlabel(names[0])
    axes.set_ylabel(names[1])
    for spine in axes.spines.values():
        spine.set_visible(False)
    return axes.pcolormesh(across, up, image, norm=norm, cmap=colour_map, rasterized=True)


def _edges(geometry: CalorimeterGeometry, section: int) -> tuple[np.ndarray, np.ndarray]:
    chosen = geometry.sections[section]
    if chosen.kind == "cylindrical":
        return np.asarray(chosen.r_edges), np.linspace(0, 2 * np.pi, chosen.alpha_bins + 1)
    half = geometry.lateral_size / 2
    return np.linspace(-half, half, chosen.eta_cells + 1), np.linspace(-half, half, chosen.phi_cells + 1)


def _axis_names(geometry: CalorimeterGeometry) -> tuple[str, str]:
    return ("r [mm]", "α [rad]") if geometry.kind == "cylindrical" else ("η [mm]", "φ [mm]")


def _png(figure: Figure) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    buffer = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH, facecolor="white", metadata={"Software": None})
    return buffer.getvalue()
