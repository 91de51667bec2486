"""The front as a figure: each AUC against the time per shower, one row of panels per particle."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final

from benchmarks.showers.summary import JUDGED
from benchmarks.showers.tables import SPELLED

from simulacra.judges.published_results import Published
from simulacra.pages.front import DASHES, PUBLISHED, Mark, draw_front, look, published_mark, write_names
from simulacra.pages.style import DIAGONAL, INK, TRUTH, new_figure, svg_of, title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: sizes of a panel and of the legend below the panels [inch]
WIDTH, HEIGHT, BELOW = 4.6, 2.9, 0.8
BATCH: Final = "100"
#: the name of the published AUC, by the AUC
PUBLISHED_AS: Final = {"low_level": "cells", "shapes": "observables"}
TITLES: Final = {"low_level": "cells", "shapes": "shower shapes"}


def front(record: dict[str, Any], published: Published | None) -> tuple[bytes, bytes]:
    """Return the figure as SVG and as PNG.

    The filled markers of generators are at milliseconds per effective shower in batches of 100, Geant4 at its own time;
    the shaded corner is the region of the goals.
    """
    rows, goals = record["particles"], record["goals"]
    families = list(dict.fromkeys(m["family"] for there in rows.values() for m in there["models"]))
    drawn = [name for name in families if name != "Geant4"]
    judged = {m["family"] for there in rows.values() for m in there["models"] if m["status"] == JUDGED}
    with new_figure(2 * WIDTH, HEIGHT * len(rows) + BELOW) as figure:
        panels = figure.subplots(len(rows), 2, squeeze=False, sharex=True)
        places = [(particle, which) for particle in rows for which in TITLES]
        marks = [_marks(rows[particle], which, drawn, published) for particle, which in places]
        for axes, (particle, which), here in zip(panels.ravel(), places, marks, strict=True):
            draw_front(axes, here, truth=(0.5, 0.0), goals=(goals["milliseconds"][BATCH], goals[which]))
            title(axes, f"{SPELLED[particle]}, {TITLES[which]}")
            axes.set_ylabel("AUC (0.5: as Geant4)")
        for axes in panels[-1]:
            axes.set_xlabel(f"ms per shower, one CPU thread, batch {BATCH}")
        _legend(figure, drawn, [name for name in drawn if name in judged], published)
        figure.draw_without_rendering()  # The space for names is known only after the panels are placed.
        for axes, here in zip(panels.ravel(), marks, strict=True):
            write_names(axes, here)
        return svg_of(figure), _png(figure)


def _marks(there: dict[str, Any], which: str, families: list[str], published: Published | None) -> list[Mark]:
    what, marks = PUBLISHED_AS[which], list[Mark]()
    for one in () if published is None else published.results:
        if what in one.aucs:
            marks.append(published_mark(one.milliseconds, one.aucs[what][0], 0.0, one.name, letters=5.5))
    for model in there["models"]:
        area, cost = model.get("auc", {}).get(which), _milliseconds(model, there)
        if model["status"] == JUDGED and area is not None and cost is not None:
            marks.append(Mark(cost, area["auc"], area["error"], "", *_look(model["family"], families), size=6.5))
    return marks


def _milliseconds(model: dict[str, Any], there: dict[str, Any]) -> float | None:
    if model["family"] == "Geant4":
        return there["geant4_milliseconds"]
    return model.get("milliseconds_per_effective_shower", {}).get(BATCH)


def _look(family: str, families: list[str]) -> tuple[str, str]:
    """Return the colour and the marker of a family."""
    if family == "Geant4":
        return TRUTH, "s"
    return look(families.index(family))


def _legend(figure: Figure, families: list[str], shown: list[str], published: Published | None) -> None:
    from matplotlib.lines import Line2D

    def handle(colour: str, marker: str, label: str) -> Line2D:
        return Line2D([], [], color=colour, marker=marker, linestyle="none", markersize=6, label=label)

    handles = [handle(*_look(family, families), family) for family in shown]
    handles.append(handle(TRUTH, "s", "Geant4 against Geant4"))
    handles.append(Line2D([], [], color=DIAGONAL, linestyle=DASHES, linewidth=0.9, label="goals"))
    said = None
    if published is not None:
        handles.append(handle(PUBLISHED, "o", f"published, {published.dataset}"))
        said = f"Grey: {published.dataset} of arXiv:2410.21611. Another detector, other showers, classifiers, machines."
    figure.legend(handles=handles, loc="outside lower center", ncols=5, title=said, title_fontsize=7.5, labelcolor=INK)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=160, facecolor="white", metadata={"Software": None})
    return buffer.getvalue()
