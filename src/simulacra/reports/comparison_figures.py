"""The figures of a comparison of generators: quality against cost, and each headline number beside the truth's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from simulacra.judges.comparison import Comparison
from simulacra.judges.headlines import Headline
from simulacra.pages.style import DIAGONAL, GRID, SERIES, TRUTH, new_figure, plain_numbers, points, svg_of
from simulacra.wording import shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PUBLISHED: Final = "#a7afb8"
PUBLISHED_TEXT: Final = "#6b7580"
MARKERS: Final = ("o", "D", "^", "v", "P", "X")
LABEL: Final = 8.0
#: of the figure of the front [inch], and where its axes lie in it
SIZE: Final = (6.2, 4.4)
EDGES: Final = {"left": 0.1, "right": 0.985, "bottom": 0.12, "top": 0.98}
#: width of a letter over its height, and offsets of a label from its point [pt], the best first
LETTER: Final = 0.56
PLACES: Final = tuple((x, y) for y in (8, -8, 16, -16, 0) for x in (6, -6, 0) if (x, y) != (0, 0))


@dataclass(frozen=True)
class _Point:
    x: float
    y: float
    error: float
    label: str
    colour: str
    ink: str
    size: float


def front_figure(comparison: Comparison, headline: Headline) -> bytes:
    """Draw an AUC against the cost: generators, their front, truth against truth, and published results in grey."""
    front = comparison.fronts[headline.key]
    placed: list[_Point] = []
    with new_figure(*SIZE, fitted=False) as figure:
        axes = figure.subplots(gridspec_kw=EDGES)
        if comparison.published is not None:
            for result in comparison.published.results:
                if headline.observable in result.aucs:
                    value, error = result.aucs[headline.observable]
                    point = _Point(result.milliseconds, value, error, result.name, PUBLISHED, PUBLISHED_TEXT, 4.0)
                    placed.append(point)
                    _draw(axes, point, "o", PUBLISHED)
        on_front = []
        for number, generator in enumerate(comparison.generators):
            value_there = generator.numbers[headline.key]
            if value_there is None or generator.milliseconds is None:
                continue
            colour = SERIES[number % len(SERIES)]
            label = shorten(generator.name)
            point = _Point(
                generator.milliseconds, value_there.value, value_there.uncertainty, label, colour, colour, 7.0
            )
            placed.append(point)
            status = front[generator.name]
            if status == "on the front":
                on_front.append((point.x, point.y))
            face = colour if status == "on the front" else "white"
            _draw(axes, point, MARKERS[number // len(SERIES) % len(MARKERS)], face)
        truth = comparison.truth[headline.key]
        if truth is not None:
            low, high = truth.value - truth.uncertainty, truth.value + truth.uncertainty
            axes.axhspan(low, high, color=TRUTH, alpha=0.16, linewidth=0)
            axes.axhline(truth.value, color=TRUTH, linewidth=0.8, linestyle=(0, (3, 2)))
            if comparison.truth_milliseconds is not None:
                label = shorten(comparison.truth_label)
                point = _Point(comparison.truth_milliseconds, truth.value, truth.uncertainty, label, TRUTH, TRUTH, 7.0)
                placed.append(point)
                _draw(axes, point, "s", TRUTH)
        if len(on_front) > 1:
            x, y = np.array(sorted(on_front)).T
            axes.plot(x, y, drawstyle="steps-post", color=DIAGONAL, linewidth=1.1, linestyle=(0, (4, 2)), zorder=1)
        _limits(axes, placed, truth.value if truth is not None else 0.5)
        axes.set_xlabel("Cost [ms an event]")
        axes.set_ylabel(f"{headline.title} (0.5: as the truth)")
        axes.grid(color=GRID, linewidth=0.7)
        _write_labels(axes, placed, _axes_size())
        return svg_of(figure)


def headline_figure(comparison: Comparison, headline: Headline) -> bytes:
    """Draw one number of each generator with its error, over the band of truth against truth."""
    having = [(i, g) for i, g in enumerate(comparison.generators) if g.numbers[headline.key] is not None]
    height = 0.9 + 0.3 * len(having)
    with new_figure(4.2, height) as figure:
        axes = figure.subplots()
        truth = comparison.truth[headline.key]
        if truth is not None:
            low, high = truth.value - truth.uncertainty, truth.value + truth.uncertainty
            axes.axvspan(headline.scale * low, headline.scale * high, color=TRUTH, alpha=0.22, linewidth=0)
            axes.axvline(headline.scale * truth.value, color=TRUTH, linewidth=1.0, linestyle=(0, (3, 2)))
        for row, (i, generator) in enumerate(having):
            number = generator.numbers[headline.key]
            if number is None:
                continue
            colour, error = SERIES[i % len(SERIES)], headline.scale * number.uncertainty
            value = headline.scale * number.value
            axes.plot([value - error, value + error], [row, row], color=colour, linewidth=1.2)
            axes.plot(value, row, MARKERS[i // len(SERIES) % len(MARKERS)], color=colour, markersize=5)
        axes.set_yticks(range(len(having)), [shorten(g.name) for _, g in having])
        axes.set_ylim(len(having) - 0.5, -0.5)
        axes.margins(x=0.12)
        axes.ticklabel_format(axis="x", useOffset=False)
        axes.locator_params(axis="x", nbins=5)
        axes.set_xlabel(headline.title)
        axes.grid(axis="x", color=GRID, linewidth=0.7)
        return svg_of(figure)


def _axes_size() -> tuple[float, float]:
    """Return the width and height of the axes of the front [pt]."""
    width, height = EDGES["right"] - EDGES["left"], EDGES["top"] - EDGES["bottom"]
    return 72 * SIZE[0] * width, 72 * SIZE[1] * height


def _draw(axes: Axes, point: _Point, marker: str, face: str) -> None:
    x, y, error = (np.array([value]) for value in (point.x, point.y, point.error))
    points(axes, x, y, error, point.colour, marker=marker, size=point.size, face=face)


def _limits(axes: Axes, placed: Sequence[_Point], truth: float) -> None:
    x = np.array([point.x for point in placed])
    low = min([truth, *(point.y - point.error for point in placed)])
    high = max([truth, *(point.y + point.error for point in placed)])
    margin = max(0.06 * (high - low), 0.01)
    axes.set_ylim(low - margin, high + margin)
    axes.set_xscale("log")
    axes.set_xlim(x.min() / 2, x.max() * 4)
    plain_numbers(axes.xaxis, float(8 * x.max() / x.min()))


def _write_labels(axes: Axes, placed: Sequence[_Point], size: tuple[float, float]) -> None:
    """Write each name where it covers no point and no other name, those of the generators first.

    Parameters
    ----------
    size:
        width and height of the axes [pt].
    """
    (left, right), (bottom, top) = np.log(axes.get_xlim()), axes.get_ylim()
    centres = np.array(
        [((np.log(p.x) - left) / (right - left) * size[0], (p.y - bottom) / (top - bottom) * size[1]) for p in placed]
    )
    taken = [(x - 4, y - 4, x + 4, y + 4) for x, y in centres]
    for i in sorted(range(len(placed)), key=lambda i: -placed[i].size):
        point, (x, y) = placed[i], centres[i]
        height = LABEL if point.size > 5 else LABEL - 1
        width = LETTER * height * len(point.label)
        best = None
        for dx, dy in PLACES:
            start = x + dx - (0 if dx > 0 else width if dx < 0 else width / 2)
            box = (start, y + dy - height / 2, start + width, y + dy + height / 2)
            inside = box[0] > 0 and box[2] < size[0] and box[1] > 0 and box[3] < size[1]
            others = [t for j, t in enumerate(taken) if j != i]
            cost = sum(_overlap(box, other) for other in others) + (0 if inside else 1e6)
            if best is None or cost < best[0]:
                best = cost, dx, dy, box
            if cost == 0:
                break
        if best is None:
            continue
        _, dx, dy, box = best
        taken.append(box)
        axes.annotate(
            point.label,
            (point.x, point.y),
            (dx, dy),
            textcoords="offset points",
            ha="left" if dx > 0 else "right" if dx < 0 else "center",
            va="center",
            fontsize=height,
            color=point.ink,
        )


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return max(width, 0.0) * max(height, 0.0)
