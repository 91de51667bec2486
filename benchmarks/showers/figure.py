"""The front as a figure: each AUC against the time per shower, one row of panels per particle."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from benchmarks.showers.labels import write_labels
from benchmarks.showers.summary import GOALS, JUDGED
from benchmarks.showers.tables import SPELLED

from simulacra.judges.published_results import Published
from simulacra.pages.style import DIAGONAL, GRID, INK, SERIES, TRUTH, new_figure, plain_numbers, points, svg_of, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: of a panel [inch], and of what stands below the panels
WIDTH, HEIGHT, BELOW = 4.6, 2.9, 0.8
BATCH: Final = "100"
PUBLISHED, PUBLISHED_TEXT = "#b4bbc3", "#6b7580"
MARKERS: Final = ("o", "D", "^", "v", "P", "X")
#: the name of what is published, by the AUC
PUBLISHED_AS: Final = {"low_level": "cells", "shapes": "observables"}
TITLES: Final = {"low_level": "cells", "shapes": "shower shapes"}


def front(record: dict[str, Any], published: Published | None) -> tuple[bytes, bytes]:
    """Return the figure as SVG and as PNG.

    The filled markers of generators lie at milliseconds per effective shower in batches of 100, Geant4 at its own; the
    shaded corner holds what reaches the goals.
    """
    rows = record["particles"]
    families = list(dict.fromkeys(m["family"] for there in rows.values() for m in there["models"]))
    drawn = [name for name in families if name != "Geant4"]
    judged = {m["family"] for there in rows.values() for m in there["models"] if m["status"] == JUDGED}
    with new_figure(2 * WIDTH, HEIGHT * len(rows) + BELOW) as figure:
        panels = figure.subplots(len(rows), 2, squeeze=False, sharex=True)
        for row, (particle, there) in enumerate(rows.items()):
            for axes, which in zip(panels[row], TITLES, strict=True):
                _panel(axes, there, which, drawn, published)
                title(axes, f"{SPELLED[particle]}, {TITLES[which]}")
                axes.set_ylabel("AUC (0.5: as Geant4)")
                if row == len(rows) - 1:
                    axes.set_xlabel(f"ms per shower, one CPU thread, batch {BATCH}")
        _legend(figure, drawn, [name for name in drawn if name in judged], published)
        if published is not None:
            figure.draw_without_rendering()  # Where a name has room is known once the panels have their places.
            for axes, which in zip(panels.ravel(), [*TITLES] * len(rows), strict=True):
                grey = _grey(published, which)
                write_labels(axes, list(grey.values()), list(grey), PUBLISHED_TEXT)
        return svg_of(figure), _png(figure)


def _panel(axes: Axes, there: dict[str, Any], which: str, families: list[str], published: Published | None) -> None:
    most = GOALS["milliseconds"][BATCH]
    x: list[float] = [most]
    y: list[float] = [0.5, GOALS[which]]
    grey = {} if published is None else _grey(published, which)
    for milliseconds, value in grey.values():
        _point(axes, milliseconds, value, 0.0, PUBLISHED, "o", 3.5)
        x.append(milliseconds)
        y.append(value)
    for model in there["models"]:
        area = model.get("auc", {}).get(which)
        cost = _milliseconds(model, there)
        if model["status"] != JUDGED or area is None or cost is None:
            continue
        colour, marker = _look(model["family"], families)
        _point(axes, cost, area["auc"], area["error"], colour, marker, 6.5)
        x.append(cost)
        y += [area["auc"] + area["error"], area["auc"] - area["error"]]
    left, right = min(x) / 3, max(x) * 4
    low, high = min(y) - 0.02, max(y) + 0.04
    axes.set_xscale("log")
    axes.set_xlim(left, right)
    axes.set_ylim(low, high)
    axes.fill_between([left, most], low, GOALS[which], color=SERIES[2], alpha=0.10, linewidth=0, zorder=0)
    axes.axhline(GOALS[which], color=DIAGONAL, linewidth=0.9, linestyle=(0, (4, 2)), zorder=1)
    axes.axvline(most, color=DIAGONAL, linewidth=0.9, linestyle=(0, (4, 2)), zorder=1)
    axes.axhline(0.5, color=TRUTH, linewidth=0.7, zorder=1)
    axes.grid(color=GRID, linewidth=0.7)
    plain_numbers(axes.xaxis, right / left)


def _grey(published: Published, which: str) -> dict[str, tuple[float, float]]:
    """Return milliseconds and AUC of what is published, by its name."""
    what = PUBLISHED_AS[which]
    return {one.name: (one.milliseconds, one.aucs[what][0]) for one in published.results if what in one.aucs}


def _milliseconds(model: dict[str, Any], there: dict[str, Any]) -> float | None:
    if model["family"] == "Geant4":
        return there["geant4_milliseconds"]
    return model.get("milliseconds_per_effective_shower", {}).get(BATCH)


def _look(family: str, families: list[str]) -> tuple[str, str]:
    """Return the colour and the marker of a family."""
    if family == "Geant4":
        return TRUTH, "s"
    place = families.index(family)
    return SERIES[place % len(SERIES)], MARKERS[place // len(SERIES) % len(MARKERS)]


def _point(axes: Axes, x: float, y: float, error: float, colour: str, marker: str, size: float) -> None:
    points(axes, np.array([x]), np.array([y]), np.array([error]), colour, marker=marker, size=size)


def _legend(figure: Figure, families: list[str], shown: list[str], published: Published | None) -> None:
    from matplotlib.lines import Line2D

    def handle(colour: str, marker: str, label: str) -> Line2D:
        return Line2D([], [], color=colour, marker=marker, linestyle="none", markersize=6, label=label)

    handles = [handle(*_look(family, families), family) for family in shown]
    handles.append(handle(TRUTH, "s", "Geant4 against Geant4"))
    handles.append(Line2D([], [], color=DIAGONAL, linestyle=(0, (4, 2)), linewidth=0.9, label="goals"))
    said = None
    if published is not None:
        handles.append(handle(PUBLISHED, "o", f"published, {published.dataset}"))
        said = f"Grey: {published.dataset} of arXiv:2410.21611. Another detector, other showers, classifiers, machines."
    figure.legend(handles=handles, loc="outside lower center", ncols=5, title=said, title_fontsize=7.5, labelcolor=INK)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=160, facecolor="white", metadata={"Software": None})
    return buffer.getvalue()
