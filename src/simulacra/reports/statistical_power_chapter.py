"""The chapter on statistical power: the worth of any number of generated events, in truth events."""

from __future__ import annotations

from typing import Final

import numpy as np

from simulacra.judges.generalisation.statistical_power import (
    ObservablePower,
    PowerEvidence,
    Worth,
    rounded,
    sentence_on,
)
from simulacra.pages import Chapter, picture
from simulacra.pages.style import SERIES, TRUTH, labelled, new_figure, points, svg_of, title
from simulacra.wording import shorten

CURVE: Final = (10.0, 1e7)
TEXT: Final = (
    "Generated events deviate from the truth by their own statistics and by the generator's faults. More events do "
    "not reduce the faults. The deviation in quantiles of the truth is expressed as the number of truth events that "
    "would deviate as much (arXiv:2008.06545): the worth of the generated events. Errors are 68 % intervals. If no "
    "deviation is seen beyond the statistics of both samples, a lower limit at 95 % is given. One observable in "
    "twenty shows such a deviation by chance."
)
MEMBERS: Final = (
    "The generator's part is taken from the spread of {n} generators trained with different seeds "
    "(arXiv:2509.08048), unless the deviation from the truth is larger: a fault that they share has no spread."
)


def statistical_power_chapter(evidence: PowerEvidence, truth_label: str, generated_label: str) -> Chapter:
    """Return the chapter: sentences on the worst observable and the joint one, curves, and a table of all."""
    every = list(evidence.observables)
    if not every:
        return Chapter("power", "Worth of the generated events", ("Not judged: no observable varies.",))
    n, joint = evidence.n_generated, [] if evidence.joint is None else [evidence.joint]
    named = [("worst", every[0]), ("median", every[len(every) // 2]), ("best", every[-1])]
    shown = list({one.observable: (kind, one) for kind, one in reversed(named)}.values())[::-1]
    if evidence.joint is not None:
        shown.append(("jointly", evidence.joint))
    pictures = [
        picture(
            worth_figure(shown, evidence, truth_label),
            "Worth against the number of generated events",
            f"Worth of any number of generated events in {truth_label} events. Arrows: lower limits",
        ),
        picture(
            quantiles_figure(every[0], n, truth_label),
            f"Worth in each quantile: {every[0].long_name}",
            f"{every[0].long_name}: worth of {n:,} generated events in each quantile",
        ),
    ]
    rows = [_row(one, n, evidence.n_train) for one in (*every, *joint)]
    sentences = [
        sentence_on(one, one.worth(n), one.worth(1e15), n, evidence.n_train, truth_label, generated_label)
        for _, one in shown
    ]
    texts = [*sentences, TEXT, *([MEMBERS.format(n=evidence.n_members)] if evidence.n_members else [])]
    if evidence.n_train is None:
        texts.append("The number of training events is not known, so no amplification factor is given.")
    columns = ("observable", f"{n:,} {generated_label} events are worth", "at most")
    return Chapter(
        "power",
        "Worth of the generated events",
        tuple(texts),
        tuple(pictures),
        columns=(*columns, *(("times the training events",) if evidence.n_train else ())),
        rows=tuple(rows),
    )


def worth_figure(shown: list[tuple[str, ObservablePower]], evidence: PowerEvidence, truth_label: str) -> bytes:
    """Draw the worth of any number of generated events for a few observables."""
    with new_figure(4.6, 3.4) as figure:
        axes = figure.subplots()
        low = min(CURVE[0], evidence.n_generated / 10)
        numbers = np.geomspace(low, max(CURVE[1], 10.0 * evidence.n_generated), 80)
        for (kind, one), colour in zip(shown, SERIES, strict=False):
            worth = [one.worth(float(n)) for n in numbers]
            axes.plot(numbers, [w.value for w in worth], color=colour, label=f"{kind}: {shorten(one.long_name)}")
            axes.fill_between(
                numbers, [w.low for w in worth], [w.high for w in worth], color=colour, alpha=0.15, linewidth=0
            )
            if worth[-1].at_least:
                axes.annotate(
                    "",
                    (float(numbers[-12]), 2.2 * worth[-12].value),
                    (float(numbers[-12]), worth[-12].value),
                    arrowprops={"arrowstyle": "->", "color": colour},
                )
        axes.plot(numbers, numbers, color=TRUTH, linewidth=0.8, linestyle=(0, (3, 2)), label="no faults")
        if evidence.n_train:
            axes.axhline(evidence.n_train, color=TRUTH, linewidth=0.8)
            axes.text(float(numbers[0]), evidence.n_train * 1.1, "training events", fontsize=7, color=TRUTH)
        axes.set(xscale="log", yscale="log", xlim=(float(numbers[0]), float(numbers[-1])))
        labelled(axes, "Generated events", f"Worth in {truth_label} events")
        axes.legend(fontsize=7, loc="upper left")
        return svg_of(figure)


def quantiles_figure(power: ObservablePower, n_generated: int, truth_label: str) -> bytes:
    """Draw the worth of the generated events in each quantile of one observable."""
    from matplotlib.ticker import MaxNLocator

    value, low, high = power.quantile_worth(n_generated)
    place = np.arange(len(value)) + 0.5
    with new_figure(4.6, 3.4) as figure:
        axes = figure.subplots()
        axes.vlines(place, low, high, color=SERIES[0], linewidth=1.0)
        points(axes, place, value, np.zeros(len(value)), SERIES[0])
        integrated = power.worth(n_generated)
        axes.axhline(integrated.value, color=TRUTH, linewidth=0.9, label="all quantiles")
        axes.set(yscale="log", xlim=(0, len(value)))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        labelled(axes, f"Quantile of the truth, of {len(value)}", f"Worth in {truth_label} events")
        axes.legend()
        title(axes, power.long_name)
        return svg_of(figure)


def _row(power: ObservablePower, n_generated: int, n_train: int | None) -> tuple[str, ...]:
    worth, most = power.worth(n_generated), power.worth(1e15)
    cells = [power.long_name, _spoken(worth), _spoken(most)]
    if n_train:
        least = "≥ " if worth.at_least else ""
        cells.append(f"{least}{worth.value / n_train:.2g}")
    return tuple(cells)


def _spoken(worth: Worth) -> str:
    if worth.at_least:
        return f"≥ {rounded(worth.low)}"
    high = rounded(worth.high) if worth.high < 1e12 else "∞"
    return f"{rounded(worth.value)} ({rounded(worth.low)} to {high})"
