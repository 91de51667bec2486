"""The figure of jets as clouds: mass, transverse momenta and multiplicity per class, and time against multiplicity."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from benchmarks.jets.distances import JetSample

from simulacra.observables.relative_jets import JET_CLASS
from simulacra.pages.figures import Binned, draw_histograms
from simulacra.pages.style import GRID, INK, SERIES, TRUTH, new_figure, points, svg_of, title
from simulacra.whole_files import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import SubFigure

#: what is drawn of a sample's jets, the edges of the bins, and whether the axes of values and of shares are logarithmic
SHOWN: Final[Mapping[str, tuple[Callable[[JetSample], np.ndarray], np.ndarray, bool]]] = {
    "Mass of the particles / jet pT": (lambda one: one.mass, np.linspace(0, 0.3, 31), False),
    "pT of particles / jet pT": (
        lambda one: one.cloud[..., 2][one.cloud[..., 2] > 0],
        np.geomspace(1e-3, 0.6, 31),
        True,
    ),
    "Number of particles": (lambda one: (one.cloud[..., 2] > 0).sum(axis=1), np.arange(0.5, 31.5), True),
}
MARGINS: Final = {"left": 0.2, "right": 0.98, "bottom": 0.2, "top": 0.88, "hspace": 0.09}


def histograms(samples: Mapping[str, tuple[JetSample, Mapping[str, np.ndarray]]]) -> dict[str, Any]:
    """Return the shares of each class's jets, or of their particles, in bins: of "truth" and of models by name.

    ``samples`` holds the jets of each and the rows of each class.
    """
    found: dict[str, Any] = {}
    for name in JET_CLASS.choices:
        taken = {key: one.take(rows[name]) for key, (one, rows) in samples.items()}
        found[name] = {
            what: {key: _shares(values(one), edges, len(one)) for key, one in taken.items()}
            for what, (values, edges, _) in SHOWN.items()
        }
    return found


def _shares(values: np.ndarray, edges: np.ndarray, jets: int) -> dict[str, list[float]]:
    """Return the share in each bin and its error: of particles, which are not independent, that of as many jets."""
    counts = np.histogram(values, edges)[0]
    share = counts / max(len(values), 1)
    return {"share": share.tolist(), "error": np.sqrt(share * (1 - share) / min(len(values), jets)).tolist()}


def draw(found: Mapping[str, Any], path: Path) -> None:
    """Draw the figure as an SVG file."""
    classes = JET_CLASS.choices
    with new_figure(2.5 * len(classes), 2.35 * len(SHOWN) + 2.6, fitted=False) as figure:
        figure.set_facecolor("white")
        upper, lower = figure.subfigures(2, 1, height_ratios=[2.35 * len(SHOWN), 2.6])
        parts = upper.subfigures(len(SHOWN), len(classes))
        for row, (what, (_, edges, logarithmic)) in zip(parts, SHOWN.items(), strict=True):
            for part, name in zip(row, classes, strict=True):
                _panel(part, found["histograms"][name][what], name, what, edges, logarithmic)
        left, right = lower.subfigures(1, 2, width_ratios=[3, 2])
        _time(left, found["models"])
        _legend(right, list(found["models"]))
        write_whole(path, svg_of(figure).decode("utf-8"))


def _panel(
    part: SubFigure, samples: Mapping[str, Any], name: str, what: str, edges: np.ndarray, logarithmic: bool
) -> None:
    top, bottom = part.subplots(2, 1, sharex=True, height_ratios=[2.2, 1], gridspec_kw=MARGINS)
    binned = {key: Binned(key, np.array(one["share"]), np.array(one["error"])) for key, one in samples.items()}
    truth = binned.pop("truth")
    whole = what == "Number of particles"
    draw_histograms(
        top, bottom, edges, truth, list(binned.values()), SERIES, logarithmic=logarithmic and not whole, size=2.2
    )
    if logarithmic:
        top.set_yscale("log")
        seen = truth.share[truth.share > 0]
        top.set_ylim(0.3 * seen.min(), 3 * truth.share.max())
    else:
        top.set_ylim(0, 1.15 * truth.share.max())
    top.tick_params(labelleft=logarithmic)
    title(top, name)
    bottom.set_xlabel(what, fontsize=8)
    if name != JET_CLASS.choices[0]:
        bottom.set_ylabel("")


def _time(part: SubFigure, models: Mapping[str, Any]) -> None:
    axes = part.subplots(gridspec_kw={"left": 0.12, "right": 0.98, "bottom": 0.2, "top": 0.9})
    for (name, one), colour in zip(models.items(), SERIES, strict=False):
        x, y, error = (np.array([m[key] for m in one["multiplicity"]]) for key in ("places", "median", "error"))
        points(axes, x, y, error, colour, line="-", label=name)
    axes.set(xscale="log", yscale="log", xlabel="Number of particles", ylabel="µs per jet, one thread, torch")
    axes.grid(color=GRID, linewidth=0.7)
    title(axes, "Time against multiplicity, untrained networks of the same sizes")


def _legend(part: SubFigure, names: Sequence[str]) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [Patch(facecolor=TRUTH, alpha=0.3, edgecolor=TRUTH, label="Pythia 8")]
    handles += [
        Line2D([], [], color=colour, marker="o", linestyle="none", label=name)
        for name, colour in zip(names, SERIES, strict=False)
    ]
    part.legend(handles=handles, loc="center left", fontsize=10, labelcolor=INK)
