"""The report's chapter on model uncertainty: each observable with its band, and the coverage of the truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from simulacra.judges.finding import Finding
from simulacra.judges.generalisation.ensembles import EnsembleEvidence
from simulacra.pages import Chapter, picture
from simulacra.pages.figures import two_panels
from simulacra.pages.style import GENERATED, GRID, TRUTH, axis_label, new_figure, points, svg_of
from simulacra.statistics.ensemble_bands import Coverage, EnsembleHistogram
from simulacra.wording import with_error

MOST_HISTOGRAMS: Final = 24
TEXT: Final = (
    "{members} generators, trained with different seeds. The dark band is the 68 % uncertainty of their mean from "
    "their spread (Student's t with {freedom} degrees of freedom). The light band includes the truth's statistical "
    "error; if it is right, it contains the truth in 68 % of the bins. The spread does not contain the faults that "
    "all members share."
)


def ensembles_chapter(evidence: EnsembleEvidence, findings: Sequence[Finding], truth_label: str) -> Chapter:
    """Return the chapter on an ensemble's bands, the observables with the worst coverage first."""
    overall = [f.sentence for f in findings if f.judge == "ensemble_coverage" and f.observable == "all observables"]
    shown = evidence.histograms[:MOST_HISTOGRAMS]
    left_out = len(evidence.histograms) - len(shown)
    more = (f"The {left_out} observables with the best coverage are only in the table.",) if left_out else ()
    pictures = tuple(
        picture(
            band_figure(one, truth_label),
            f"Histogram with model uncertainty: {one.long_name}",
            f"Covered {with_error(one.coverage[0].value, one.coverage[0].error, '%')} (nominal: 68 %)",
        )
        for one in shown
    )
    rows = [_row("all", evidence.coverage, evidence.stretch)]
    rows += [_row(one.observable.replace("_", " "), one.coverage, one.stretch) for one in evidence.histograms]
    return Chapter(
        "ensemble",
        "Model uncertainty",
        (TEXT.format(members=evidence.members, freedom=evidence.members - 1), *overall, *more),
        pictures,
        columns=("observable", "in the 68 % band", "honest band", "p", "in the 95 % band", "honest band", "stretch"),
        rows=tuple(rows),
    )


def band_figure(found: EnsembleHistogram, truth_label: str) -> bytes:
    """Draw the truth, the ensemble's mean and its bands, and below all of them divided by the mean.

    Joined bins are drawn with the density per width of the narrowest bin.
    """
    edges, truth, mean = found.binning.edges, found.truth, found.mean
    middle = np.sqrt(edges[1:] * edges[:-1]) if found.binning.logarithmic else (edges[1:] + edges[:-1]) / 2
    total = np.hypot(found.model, truth.error)
    widths = np.diff(np.log(edges) if found.binning.logarithmic else edges)
    part = widths.min() / widths
    with new_figure(4.2, 3.5, fitted=False) as figure:
        top, bottom = two_panels(figure, top=0.985)
        top.stairs(mean * part, edges, color=GENERATED, linewidth=1.0, label="ensemble's mean")
        scale = np.divide(1.0, mean, out=np.zeros_like(mean), where=mean > 0)
        for axes, centre, factor in ((top, mean * part, part), (bottom, (mean > 0) * 1.0, scale)):
            for width, alpha in ((total, 0.16), (found.model, 0.34)):
                low, high = centre - width * factor, centre + width * factor
                axes.fill_between(
                    edges,
                    np.append(low, low[-1]),
                    np.append(high, high[-1]),
                    step="post",
                    color=GENERATED,
                    alpha=alpha,
                    linewidth=0,
                )
        points(top, middle, truth.share * part, truth.error * part, TRUTH, size=2.6, label=truth_label)
        seen = mean > 0
        points(bottom, middle[seen], (truth.share * scale)[seen], (truth.error * scale)[seen], TRUTH, size=2.6)
        bottom.axhline(1, color=GENERATED, linewidth=0.8)
        reach = float(np.clip(1.3 * np.quantile(np.abs(truth.share * scale - 1)[seen], 0.95), 0.1, 1.0))
        bottom.set_ylim(1 - reach, 1 + reach)
        bottom.set_ylabel("Truth / mean")
        bottom.grid(color=GRID, linewidth=0.7)
        top.set_ylabel("Share of events per bin")
        top.set_ylim(0, 1.32 * float(((np.maximum(truth.share, mean) + total) * part).max()))
        top.legend(loc="upper left", ncols=2, borderaxespad=0.1, handletextpad=0.4, columnspacing=1.2)
        if found.binning.logarithmic:
            bottom.set_xscale("log")
        bottom.set_xlabel(axis_label(found.long_name, found.units))
        return svg_of(figure)


def _row(name: str, coverage: tuple[Coverage, ...], stretch: float) -> tuple[str, ...]:
    first, second = coverage
    return (
        name,
        with_error(first.value, first.error, "%"),
        with_error(first.honest, first.honest_error, "%"),
        f"{first.p_value:.3f}",
        with_error(second.value, second.error, "%"),
        with_error(second.honest, second.honest_error, "%"),
        f"{stretch:.2f}",
    )
