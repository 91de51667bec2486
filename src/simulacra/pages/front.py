"""Quality against cost, one point per generator: the points, their names, and what they are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from simulacra.pages.style import DIAGONAL, GRID, SERIES, TRUTH, plain_numbers, points

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PUBLISHED: Final = "#a7afb8"
PUBLISHED_TEXT: Final = "#6b7580"
MARKERS: Final = ("o", "D", "^", "v", "P", "X")
DASHES: Final = (0, (4, 2))
#: width of a letter over its height
LETTER: Final = 0.56
#: shifts of a name from its point, to the right in sizes of the point and up in heights of the letters; best first
PLACES: Final = tuple((x, y) for y in (1, -1, 2, -2, 0) for x in (1, -1, 0) if (x, y) != (0, 0))

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Mark:
    """A point of the figure.

    Attributes
    ----------
    cost, value, error:
        its position, in the units of the axes, and the error of the value.
    label:
        the name next to it; none if empty.
    colour, marker, size, hollow:
        its style; the size in points.
    ink, letters:
        colour of the name, and height of its letters in points.
    optional:
        whether the name is left out if there is no space for it.
    """

    cost: float
    value: float
    error: float
    label: str
    colour: str
    marker: str
    size: float = 7.0
    hollow: bool = False
    ink: str = TRUTH
    letters: float = 8.0
    optional: bool = False


def look(number: int) -> tuple[str, str]:
    """Return colour and marker of the generator with this number."""
    return SERIES[number % len(SERIES)], MARKERS[number // len(SERIES) % len(MARKERS)]


def published_mark(cost: float, value: float, error: float, label: str, *, letters: float = 7.0) -> Mark:
    """Return a published result as a mark: small and grey, without its name if there is no space."""
    return Mark(cost, value, error, label, PUBLISHED, "o", 4.0, ink=PUBLISHED_TEXT, letters=letters, optional=True)


def draw_front(
    axes: Axes,
    marks: Sequence[Mark],
    *,
    truth: tuple[float, float],
    joined: Sequence[Mark] = (),
    goals: tuple[float, float] | None = None,
) -> None:
    """Draw marks on a logarithmic axis of costs, with limits that show all of them.

    Parameters
    ----------
    marks:
        at least one.
    truth:
        the value of truth against truth and its error, drawn as a band.
    joined:
        the marks on the front, joined by steps.
    goals:
        a cost and a value; the corner below both is shaded.
    """
    for mark in marks:
        x, y, error = (np.array([number]) for number in (mark.cost, mark.value, mark.error))
        face = "white" if mark.hollow else mark.colour
        points(axes, x, y, error, mark.colour, marker=mark.marker, size=mark.size, face=face)
    value, half = truth
    axes.axhspan(value - half, value + half, color=TRUTH, alpha=0.16, linewidth=0)
    axes.axhline(value, color=TRUTH, linewidth=0.8)
    if len(joined) > 1:
        corners = np.array(sorted((mark.cost, mark.value) for mark in joined)).T
        axes.plot(*corners, drawstyle="steps-post", color=DIAGONAL, linewidth=1.1, linestyle=DASHES, zorder=1)
    costs = [mark.cost for mark in marks] + ([goals[0]] if goals else [])
    values = [value, *([goals[1]] if goals else [])]
    low = min(*values, *(mark.value - mark.error for mark in marks))
    high = max(*values, *(mark.value + mark.error for mark in marks))
    margin = max(0.06 * (high - low), 0.01)
    left, right = min(costs) / 2, max(costs) * 4
    axes.set_xscale("log")
    axes.set_xlim(left, right)
    axes.set_ylim(low - margin, high + margin)
    plain_numbers(axes.xaxis, right / left)
    if goals is not None:
        axes.fill_between([left, goals[0]], low - margin, goals[1], color=SERIES[2], alpha=0.1, linewidth=0, zorder=0)
        for line, place in ((axes.axvline, goals[0]), (axes.axhline, goals[1])):
            line(place, color=DIAGONAL, linewidth=0.9, linestyle=DASHES, zorder=1)
    axes.grid(color=GRID, linewidth=0.7)


def write_names(axes: Axes, marks: Sequence[Mark]) -> None:
    """Write each mark's name where it covers no mark and no other name; the largest marks come first.

    Limits, scales and position of the axes must be final.
    """
    unit = 72.0 / axes.figure.dpi
    centres = [tuple(unit * axes.transData.transform((mark.cost, mark.value))) for mark in marks]
    frame = tuple(unit * end for end in (axes.bbox.x0, axes.bbox.y0, axes.bbox.x1, axes.bbox.y1))
    halves = [mark.size / 2 + 0.5 for mark in marks]
    taken: list[Box] = [(x - h, y - h, x + h, y + h) for (x, y), h in zip(centres, halves, strict=True)]
    for i in sorted(range(len(marks)), key=lambda i: -marks[i].size):
        mark, (x, y) = marks[i], centres[i]
        width = LETTER * mark.letters * len(mark.label)
        best: tuple[float, float, float, Box] | None = None
        for side, up in PLACES:
            dx, dy = side * (halves[i] + 2), up * mark.letters
            start = x + dx - (0 if side > 0 else width if side < 0 else width / 2)
            box = (start, y + dy - mark.letters / 2, start + width, y + dy + mark.letters / 2)
            inside = box[0] > frame[0] and box[1] > frame[1] and box[2] < frame[2] and box[3] < frame[3]
            covered = sum(_overlap(box, other) for j, other in enumerate(taken) if j != i) + (0 if inside else 1e6)
            if best is None or covered < best[0]:
                best = covered, dx, dy, box
            if covered == 0:
                break
        if not mark.label or best is None or (mark.optional and best[0] > 0):
            continue
        _, dx, dy, box = best
        taken.append(box)
        axes.annotate(
            mark.label,
            (mark.cost, mark.value),
            (dx, dy),
            textcoords="offset points",
            ha="left" if dx > 0 else "right" if dx < 0 else "center",
            va="center",
            fontsize=mark.letters,
            color=mark.ink,
        )


def _overlap(a: Box, b: Box) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return max(width, 0.0) * max(height, 0.0)
