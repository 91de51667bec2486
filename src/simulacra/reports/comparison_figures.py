"""The figures of a comparison of generators: quality against cost, and each headline number with the truth's."""

from __future__ import annotations

from typing import Final

from simulacra.judges.comparison import Comparison
from simulacra.judges.headlines import Headline
from simulacra.pages.front import Mark, draw_front, look, published_mark, write_names
from simulacra.pages.style import GRID, TRUTH, new_figure, svg_of
from simulacra.wording import shorten

#: size of the figure of the front [inch], and position of its axes
SIZE: Final = (6.2, 4.4)
EDGES: Final = {"left": 0.1, "right": 0.985, "bottom": 0.12, "top": 0.98}


def front_figure(comparison: Comparison, headline: Headline) -> bytes:
    """Draw an AUC against the cost: generators, their front, truth against truth, and published results in grey."""
    key, marks, joined = headline.key, list[Mark](), list[Mark]()
    if comparison.published is not None:
        for result in comparison.published.results:
            if headline.observable in result.aucs:
                marks.append(published_mark(result.milliseconds, *result.aucs[headline.observable], result.name))
    for number, generator in enumerate(comparison.generators):
        there = generator.numbers[key]
        if there is None or generator.milliseconds is None:
            continue
        colour, marker = look(number)
        on_front = comparison.fronts[key][generator.name] == "on the front"
        place = generator.milliseconds, there.value, there.uncertainty
        mark = Mark(*place, shorten(generator.name), colour, marker, hollow=not on_front, ink=colour)
        marks.append(mark)
        joined += [mark] if on_front else []
    truth = comparison.truth[key]
    level = (0.5, 0.0) if truth is None else (truth.value, truth.uncertainty)
    if truth is not None and comparison.truth_milliseconds is not None:
        marks.append(Mark(comparison.truth_milliseconds, *level, shorten(comparison.truth_label), TRUTH, "s"))
    with new_figure(*SIZE, fitted=False) as figure:
        axes = figure.subplots(gridspec_kw=EDGES)
        draw_front(axes, marks, truth=level, joined=joined)
        axes.set_xlabel("Cost [ms per event]")
        axes.set_ylabel(f"{headline.title} (0.5: like the truth)")
        write_names(axes, marks)
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
            (colour, marker), error = look(i), headline.scale * number.uncertainty
            value = headline.scale * number.value
            axes.plot([value - error, value + error], [row, row], color=colour, linewidth=1.2)
            axes.plot(value, row, marker, color=colour, markersize=5)
        axes.set_yticks(range(len(having)), [shorten(g.name) for _, g in having])
        axes.set_ylim(len(having) - 0.5, -0.5)
        axes.margins(x=0.12)
        axes.ticklabel_format(axis="x", useOffset=False)
        axes.locator_params(axis="x", nbins=5)
        axes.set_xlabel(headline.title)
        axes.grid(axis="x", color=GRID, linewidth=0.7)
        return svg_of(figure)
