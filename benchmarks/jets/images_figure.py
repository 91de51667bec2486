"""The figure of images: mean images of each class and their difference, and histograms, beside Pythia's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from simulacra.pages.figures import Binned, draw_histograms
from simulacra.pages.style import SERIES, new_figure, svg_of, title
from simulacra.whole_files import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import SubFigure

Shown = Mapping[str, tuple[str, np.ndarray, bool]]
#: what is drawn of a process, with the edges of its bins, and whether both axes are logarithmic
SHOWN: Final[Mapping[str, Shown]] = {
    "jet-images": {
        "image_mass": ("Mass [GeV]", np.linspace(0, 200, 41), False),
        "image_pt": ("Transverse momentum [GeV]", np.linspace(200, 440, 41), False),
        "image_tau21": ("τ21", np.linspace(0, 1, 41), False),
        "image_pixels": ("Pixels above 0", np.linspace(0, 250, 26), False),
        "intensity": ("Pixel intensity [GeV]", np.geomspace(1e-3, 300, 34), True),
    },
    "muon-images": {
        "image_mass": ("Mass [GeV]", np.linspace(0, 20, 41), False),
        "image_pt": ("Transverse momentum [GeV]", np.linspace(0, 100, 41), False),
        "image_cone_2": ("Less than 0.2 from the muon [GeV]", np.linspace(0, 60, 41), False),
        "image_pixels": ("Pixels above 0", np.linspace(0, 60, 31), False),
        "intensity": ("Pixel intensity [GeV]", np.geomspace(0.5, 50, 34), True),
    },
}
#: mean content of a pixel up to which the colours reach down [GeV]
FAINTEST: Final = 1e-3
MARGINS: Final = {"left": 0.19, "right": 0.98, "bottom": 0.2, "top": 0.88, "hspace": 0.09}


def histograms(
    values: Mapping[str, Mapping[str, np.ndarray]], counts: Mapping[str, int], process: str
) -> dict[str, dict[str, dict[str, list[float]]]]:
    """Return shares in bins and their errors, by class and observable; the outer bins hold what lies beyond."""
    found: dict[str, dict[str, dict[str, list[float]]]] = {}
    for name, columns in values.items():
        found[name] = {}
        for key, (_, edges, _) in SHOWN[process].items():
            share = np.histogram(np.clip(columns[key], edges[0], edges[-1]), edges)[0] / max(len(columns[key]), 1)
            # Pixels of one image are not independent: the error is that of as many images.
            error = np.sqrt(share * (1 - share) / max(counts[name], 1))
            found[name][key] = {"share": share.tolist(), "error": error.tolist()}
    return found


def mean_images(images: Mapping[str, np.ndarray]) -> dict[str, list[list[float]]]:
    """Return the mean image of each class, rounded to what a figure shows."""
    return {name: np.round(one.mean(axis=0), 5).tolist() for name, one in images.items()}


def draw(found: Mapping[str, Any], path: Path) -> None:
    """Draw the figure as an SVG file: for each process the mean images, one row a sample, then the histograms."""
    parts = []
    for process, truth in found["truth"].items():
        samples = {"Pythia 8": truth} | {
            name: one for name, one in found["models"].items() if one["process"] == process
        }
        parts.append((process, samples))
    heights = [2.5 * len(samples) + 5.2 for _, samples in parts]
    with new_figure(12.5, sum(heights), fitted=False) as figure:
        figure.set_facecolor("white")
        blocks = np.atleast_1d(figure.subfigures(len(parts), 1, height_ratios=heights))
        for block, (process, samples) in zip(blocks, parts, strict=True):
            upper, lower = block.subfigures(2, 1, height_ratios=[2.5 * len(samples), 5.2])
            _means(upper, samples)
            _histograms(lower, samples, SHOWN[process])
        write_whole(path, svg_of(figure).decode("utf-8"))


def _means(part: SubFigure, samples: Mapping[str, Any]) -> None:
    """Draw the mean image of each class and the signal's minus the background's."""
    from matplotlib.colors import LogNorm, SymLogNorm

    grid = part.subplots(
        len(samples),
        3,
        squeeze=False,
        gridspec_kw={"left": 0.06, "right": 0.94, "bottom": 0.1, "top": 0.92, "hspace": 0.4},
    )
    for axes, (name, sample) in zip(grid, samples.items(), strict=True):
        background, signal = (np.array(sample["means"][one]) for one in ("background", "signal"))
        half = len(signal) * sample["pixel_size"] / 2
        edges = np.linspace(-half, half, len(signal) + 1)
        for one, image, text in (
            (axes[0], background, "background"),
            (axes[1], signal, "signal"),
            (axes[2], signal - background, "signal − background"),
        ):
            if one is axes[2]:
                scale: Any = SymLogNorm(0.01, vmin=-10, vmax=10)
            else:
                scale = LogNorm(FAINTEST, 100)
            colours = "RdBu_r" if one is axes[2] else "viridis"
            shown = image if one is axes[2] else np.maximum(image, FAINTEST)
            mesh = one.pcolormesh(edges, edges, shown, norm=scale, cmap=colours, rasterized=True)
            one.set_aspect("equal")
            title(one, f"{name}: {text}")
            part.colorbar(mesh, ax=one, label="mean pT [GeV]")


def _histograms(part: SubFigure, samples: Mapping[str, Any], shown: Shown) -> None:
    """Draw the observables of both classes, the background's above the signal's."""
    rows = part.subfigures(2, len(shown))
    for row, kind in zip(rows, ("background", "signal"), strict=True):
        for place, (key, (text, edges, logarithmic)) in enumerate(shown.items()):
            top, bottom = row[place].subplots(2, 1, sharex=True, height_ratios=[2.2, 1], gridspec_kw=MARGINS)
            binned = [
                Binned(name, *(np.array(one["histograms"][kind][key][what]) for what in ("share", "error")))
                for name, one in samples.items()
            ]
            draw_histograms(top, bottom, edges, binned[0], binned[1:], SERIES, logarithmic=logarithmic, size=2.0)
            if logarithmic:
                top.set_yscale("log")
                top.set_ylim(1e-5, 1)
            title(top, kind)
            bottom.set_xlabel(text, fontsize=8)
            if place:
                bottom.set_ylabel("")
            elif kind == "background":
                top.legend()
