"""The figure of quality against cost: everything lies inside it, and names cover neither points nor each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from simulacra.pages.front import Mark, draw_front, look, published_mark, write_names
from simulacra.pages.style import new_figure


def mark(cost: float, value: float, label: str, **more: Any) -> Mark:
    return Mark(cost, value, 0.01, label, *look(0), **more)


def written(marks: Sequence[Mark]) -> tuple[dict[str, Any], Any]:
    """Return the boxes of the names that were written, and that of the axes."""
    with new_figure(4, 3, fitted=False) as figure:
        axes = figure.subplots()
        draw_front(axes, marks, truth=(0.5, 0.01))
        write_names(axes, marks)
        renderer = FigureCanvasAgg(figure).get_renderer()
        return {text.get_text(): text.get_window_extent(renderer) for text in axes.texts}, axes.bbox


def test_names_cover_neither_points_nor_each_other() -> None:
    marks = [mark(1.0, 0.6, "one"), mark(1.05, 0.6, "another"), mark(1.0, 0.61, "third"), mark(90.0, 0.9, "at an edge")]
    boxes, frame = written(marks)
    assert set(boxes) == {"one", "another", "third", "at an edge"}
    assert boxes["at an edge"].x1 < frame.x1
    names = list(boxes)
    assert not any(boxes[a].overlaps(boxes[b]) for i, a in enumerate(names) for b in names[:i])


def test_only_names_of_published_results_are_left_out_where_there_is_no_room() -> None:
    crowd = [published_mark(1.0 + 0.001 * k, 0.7, 0.0, f"published {k}") for k in range(20)]
    boxes, _ = written([*crowd, mark(2.0, 0.6, "ours"), mark(1.0, 0.7, "in the crowd")])
    assert {"ours", "in the crowd"} < set(boxes)
    assert 2 < len(boxes) < 15


@pytest.mark.parametrize("goals", [None, (0.01, 0.45)])
def test_all_marks_the_truth_and_the_goals_lie_inside(goals: tuple[float, float] | None) -> None:
    marks = [mark(0.1, 0.95, "a"), mark(300.0, 0.6, "b", hollow=True)]
    with new_figure(4, 3, fitted=False) as figure:
        axes = figure.subplots()
        draw_front(axes, marks, truth=(0.5, 0.01), joined=marks, goals=goals)
        (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    assert left < (0.1 if goals is None else 0.01)
    assert right > 300
    assert low < (0.5 if goals is None else 0.45)
    assert high > 0.96
