"""Names beside points of a figure, where they cover neither a point nor another name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: height of the letters [pt], and their width over it
HEIGHT, LETTER = 5.5, 0.56
#: half of a point's width [pt]
POINT: Final = 3.0
#: of a name's near end from its point [pt], the best first
PLACES: Final = tuple((side, up) for up in (0.0, 6.0, -6.0, 12.0, -12.0) for side in (1, -1))

Box = tuple[float, float, float, float]


def write_labels(axes: Axes, places: Sequence[tuple[float, float]], names: Sequence[str], colour: str) -> None:
    """Write each name beside its place, in the data's coordinates; a name for which there is no room is left out.

    The limits and the scales of the axes must be final.
    """
    points = 72.0 / axes.figure.dpi
    centres = [tuple(points * axes.transData.transform(place)) for place in places]
    frame = axes.bbox
    inside = points * frame.x0, points * frame.y0, points * frame.x1, points * frame.y1
    taken: list[Box] = [(x - POINT, y - POINT, x + POINT, y + POINT) for x, y in centres]
    for number, ((x, y), name) in enumerate(zip(centres, names, strict=True)):
        width = LETTER * HEIGHT * len(name)
        for side, up in PLACES:
            near = side * (POINT + 1.0)
            start = x + near - (width if side < 0 else 0.0)
            box = start, y + up - HEIGHT / 2, start + width, y + up + HEIGHT / 2
            others = [other for k, other in enumerate(taken) if k != number]
            if _within(box, inside) and not any(_overlap(box, other) for other in others):
                taken.append(box)
                axes.annotate(
                    name,
                    places[number],
                    (near, up),
                    textcoords="offset points",
                    ha="left" if side > 0 else "right",
                    va="center",
                    fontsize=HEIGHT,
                    color=colour,
                )
                break


def _within(box: Box, frame: Box) -> bool:
    return box[0] > frame[0] and box[1] > frame[1] and box[2] < frame[2] and box[3] < frame[3]


def _overlap(a: Box, b: Box) -> bool:
    return min(a[2], b[2]) > max(a[0], b[0]) and min(a[3], b[3]) > max(a[1], b[1])
