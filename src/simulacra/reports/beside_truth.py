"""Generators and truth in one picture: the observables that differ most, and ROC curves of classifiers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from simulacra.pages.figures import Binned, draw_histograms
from simulacra.pages.style import INK, SERIES, TRUTH, axis_label, new_figure, svg_of, title
from simulacra.reports.roc_curves import DASHED, begin_roc, draw_roc
from simulacra.statistics.classifiers.classification import FALSE_POSITIVE_GRID
from simulacra.statistics.distances.histograms import Histogram, HistogramPair

if TYPE_CHECKING:
    from matplotlib.figure import SubFigure

    from simulacra.judges.classifiers.separability import Roc
    from simulacra.judges.verdict import Verdict

#: number of observables drawn, and size of the figure [inch]
OBSERVABLES: Final = 3
MOST_BINS: Final = 17
SIZE: Final = (10.4, 6.9)
MARGINS: Final = {"left": 0.145, "right": 0.975, "bottom": 0.15, "top": 0.9, "hspace": 0.09}


def beside_truth_figure(verdicts: Mapping[str, Verdict]) -> bytes:
    """Draw generators next to the truth that they were judged on, as an SVG file.

    Above, the observables with the largest distance of one of them from the truth beyond chance, with the ratio to the
    truth; below, the ROC curves of the best classifier on each kind of input (observables, cells), and that for truth
    against truth.

    Parameters
    ----------
    verdicts:
        one to five, by the name of the generator, all for the same truth and seed.

    Raises
    ------
    ValueError
        if there are none or too many.
    """
    if not 0 < len(verdicts) <= len(SERIES):
        raise ValueError(f"the picture shows one to {len(SERIES)} generators, not {len(verdicts)}")
    first = next(iter(verdicts.values()))
    shown = worst_observables(verdicts)
    rocs = [roc for verdict in verdicts.values() for roc in verdict.evidence["rocs"]]
    inputs = list(dict.fromkeys(map(input_of, rocs)))[:OBSERVABLES]
    with new_figure(*SIZE, fitted=False) as figure:
        # It is also shown on dark pages.
        figure.set_facecolor("white")
        rows: Any = figure.subfigures(2, 1, height_ratios=[1.12, 1])
        above, below = rows
        for part, name in zip(np.ravel(above.subfigures(1, max(len(shown), 1))), shown, strict=False):
            _histogram(part, name, verdicts, first.truth_label)
        for part, name in zip(np.ravel(below.subfigures(1, len(inputs))), inputs, strict=True):
            _curves(part, name, verdicts)
        return svg_of(figure)


def worst_observables(verdicts: Mapping[str, Verdict]) -> list[str]:
    """Return the observables with the largest excess of W1 over truth against truth, in any of the generators."""
    worst: dict[str, float] = {}
    common = [{one.observable for one in verdict.evidence["histograms"]} for verdict in verdicts.values()]
    for verdict in verdicts.values():
        for finding in verdict.plain_findings:
            if finding.judge == "wasserstein_distance" and all(finding.observable in names for names in common):
                beyond = finding.value - (finding.truth_value or 0.0)
                worst[finding.observable] = max(beyond, worst.get(finding.observable, -np.inf))
    return sorted(worst, key=lambda name: -worst[name])[:OBSERVABLES]


def merged(edges: np.ndarray, histograms: Sequence[Histogram]) -> tuple[np.ndarray, list[Histogram]]:
    """Return histograms on the same bins with neighbours joined until there are few, for a small picture.

    The joined error neglects that the shares of a sample sum to 1, and is therefore a little too large.
    """
    n = len(edges) - 1
    starts = np.arange(0, n, max(1, -(-n // MOST_BINS)))
    joined = [
        Histogram(
            np.add.reduceat(one.share, starts), np.sqrt(np.add.reduceat(one.error**2, starts)), one.below, one.above
        )
        for one in histograms
    ]
    return np.append(edges[starts], edges[-1]), joined


def input_of(roc: Roc) -> str:
    """Return the input of a classifier, such as "cells" for "cells (trees)"."""
    return roc.observable.partition(" (")[0].replace("_", " ")


def _histogram(part: SubFigure, observable: str, verdicts: Mapping[str, Verdict], truth_label: str) -> None:
    found: dict[str, HistogramPair] = {
        name: next(one for one in verdict.evidence["histograms"] if one.observable == observable)
        for name, verdict in verdicts.items()
    }
    first = next(iter(found.values()))
    edges, (truth, *generated) = merged(
        first.binning.edges, (first.truth, *(comparison.generated for comparison in found.values()))
    )
    top, bottom = part.subplots(2, 1, sharex=True, height_ratios=[2.4, 1.25], gridspec_kw=MARGINS)
    others = [Binned(name, one.share, one.error) for name, one in zip(found, generated, strict=True)]
    shown = Binned(truth_label, truth.share, truth.error)
    draw_histograms(top, bottom, edges, shown, others, SERIES, logarithmic=first.binning.logarithmic, size=3.2)
    highest = max(float(one.share.max()) for one in (truth, *generated))
    top.set_ylim(0, 1.1 * highest)
    top.set_title(axis_label(first.long_name, first.units), x=-0.12, ha="left", fontsize=8.5, color=INK)
    top.legend(loc="upper right", handletextpad=0.3, borderaxespad=0.1)
    top.tick_params(labelleft=False)
    top.set_ylabel("Events")


def _curves(part: SubFigure, looked_at: str, verdicts: Mapping[str, Verdict]) -> None:
    """Draw the ROC curve of each generator's better classifier on one kind of input."""
    axes = part.subplots(gridspec_kw=MARGINS)
    begin_roc(axes)
    for (name, verdict), colour in zip(verdicts.items(), SERIES, strict=False):
        rocs = [roc for roc in verdict.evidence["rocs"] if input_of(roc) == looked_at]
        if not rocs:
            continue
        best = max(rocs, key=lambda roc: roc.judged.auc)
        draw_roc(axes, best.judged, name, colour)
        truth = best.truth
    label = f"truth against truth: {truth.auc:.3f} ± {truth.uncertainty:.3f}"
    axes.plot(FALSE_POSITIVE_GRID, truth.efficiency, color=TRUTH, linewidth=1.0, linestyle=DASHED, label=label)
    axes.set(xlabel="Truth called generated", ylabel="Generated called generated")
    title(axes, f"Told apart by a classifier on {looked_at}")
    axes.legend(loc="lower right", borderaxespad=0.2)
