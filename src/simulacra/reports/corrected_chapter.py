"""The chapter on generated events with a classifier's weights: what they correct, and what they cost."""

from __future__ import annotations

from typing import Final

import numpy as np

from simulacra.judges.classifiers.corrected import Correction
from simulacra.judges.criteria import UseJudgement
from simulacra.pages import Chapter, picture
from simulacra.pages.style import GENERATED, new_figure, plain_numbers, svg_of
from simulacra.reports.finding_rows import value_of

TEXT: Final = (
    "Classifiers are trained on one half of the events to separate generated events from truth. The other half of "
    "the generated events has their odds as weights and is judged again, classifiers included, with the same limits. "
    "Weights cannot correct a region without generated events."
)


def corrected_chapter(correction: Correction, stated: UseJudgement) -> Chapter:
    """Return the chapter on the results of :func:`~simulacra.judges.classifiers.corrected.judge_corrected`."""
    plain = {judgement.criterion.title: judgement for judgement in stated.judgements}
    rows = []
    for judgement in stated.weighted:
        title, units = judgement.criterion.title, judgement.criterion.units
        both = ((value_of(one.finding, units), one.outcome) for one in (plain[title], judgement))
        rows.append((title, *(cell for pair in both for cell in pair)))
    return Chapter(
        "weights",
        "With weights",
        (correction.sentence, TEXT),
        (picture(weights_figure(correction), "Histogram of the weights of generated events"),),
        columns=("criterion", "without weights", "", "with weights", ""),
        rows=tuple(rows),
    )


def weights_figure(correction: Correction) -> bytes:
    """Draw the distribution of the weights."""
    logarithms = np.log10(np.maximum(correction.weights, 1e-3))
    with new_figure(4.2, 3.0) as figure:
        axes = figure.subplots()
        counts, edges = np.histogram(logarithms, bins=40)
        axes.stairs(counts, 10**edges, fill=True, color=GENERATED, alpha=0.4)
        axes.set(xscale="log", yscale="log", xlabel="Weight", ylabel="Generated events per bin")
        plain_numbers(axes.xaxis, float(10 ** (edges[-1] - edges[0])))
        axes.set_ylim(bottom=0.5)
        return svg_of(figure)
