"""The chapter on all observables at once: one table of distances, and the correlations as a figure."""

from __future__ import annotations

from typing import Final

import numpy as np

from simulacra.judges.distances.multivariate import DISTANCES, Multivariate
from simulacra.judges.finding import Finding
from simulacra.pages import Chapter, picture
from simulacra.pages.style import axis_label, new_figure, svg_of, title
from simulacra.reports.finding_rows import probability
from simulacra.statistics.distances.correlations import Correlations
from simulacra.statistics.distances.divisions import REPLICATES

MOST_LABELS: Final = 40
TEXT: Final = (
    "Distances of all {what} together, in standard deviations σ of the truth. Truth against truth: mean and standard "
    "deviation over random halves of the truth, at the samples' sizes. p: share of random divisions of all events "
    "with a value at least as bad; smaller values than {least:.3f} are not resolved. There are several distances "
    "because no distance sees everything. Of {n} p-values, chance alone may give one below 0.05: look for several, "
    "or for one that is far smaller."
)
UNBIASED: Final = (
    "The Frechet, kernel and energy distances are squares. The Frechet and kernel distances are corrected for the "
    "samples' sizes: they are 0 on average for equal distributions and may be negative. Other programs scale "
    "features differently: compare with truth against truth, not with a published number."
)
MANIFOLD: Final = (
    "Precision, recall, density and coverage use the nearest neighbours (arXiv:2002.09797, k = 5) of {n:,} events of "
    "each sample; low precision, recall or coverage is bad."
)


def multivariate_chapter(
    found: Multivariate, labels: tuple[str, str] = ("truth", "generated"), what: str = "observables"
) -> Chapter:
    """Return the chapter on the results of :func:`~simulacra.judges.distances.multivariate.compare_all`.

    Parameters
    ----------
    found:
        the findings and correlations.
    labels:
        names of truth and generated events.
    what:
        name of the features.
    """
    texts = [
        TEXT.format(what=what, least=1 / (REPLICATES + 1), n=len(found.findings)),
        UNBIASED,
        *(MANIFOLD.format(n=f.n_truth) for f in found.findings if f.judge == "coverage"),
        *(
            f.sentence
            for f in found.findings
            if f.judge in ("learned_likelihood_ratio", "correlations", "rank_correlations")
        ),
    ]
    pictures = []
    if found.correlations is not None:
        svg = correlation_figure(found.correlations, *labels)
        i, j = (found.correlations.names[k].replace("_", " ") for k in found.correlations.worst)
        pictures.append(
            picture(
                svg,
                f"Correlations of the {what} in both samples, and their difference",
                f"The pair whose correlation differs most, {i} and {j}, is marked",
            )
        )
    return Chapter(
        "multivariate",
        f"All {what} together",
        tuple(texts),
        large_pictures=tuple(pictures),
        columns=("distance", "value", "truth–truth", "p", "sensitive to"),
        rows=tuple(_row(finding) for finding in found.findings),
    )


def correlation_figure(found: Correlations, truth_label: str, generated_label: str) -> bytes:
    """Draw both matrices and their difference in standard deviations by chance, as an SVG."""
    n = len(found.names)
    size = max(2.3, min(5.0, 0.17 * n + 0.8))
    largest = max(3.0, min(10.0, float(np.abs(found.pulls).max())))
    with new_figure(3 * size + 1.6, size + 1.0) as figure:
        panels = (
            (found.truth, f"Correlations, {truth_label}", 1.0, ""),
            (found.generated, f"Correlations, {generated_label}", 1.0, "Correlation"),
            (found.pulls, "Difference over error by chance", largest, axis_label("Difference", "σ")),
        )
        for axes, (matrix, heading, limit, bar) in zip(figure.subplots(1, 3), panels, strict=True):
            mesh = axes.imshow(matrix, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest")
            title(axes, heading)
            labelled = n <= MOST_LABELS and axes is figure.axes[0]
            axes.set_yticks(
                range(n) if labelled else [], [name.replace("_", " ") for name in found.names] if labelled else []
            )
            axes.set_xticks([])
            axes.tick_params(labelsize=min(8.0, 1.1 * 72 * size / (n + 4) / 1.5))
            if bar:
                figure.colorbar(mesh, ax=axes, shrink=0.8, label=bar)
        i, j = found.worst
        for place in ((i, j), (j, i)):
            figure.axes[2].plot(*place, marker="s", markerfacecolor="none", color="#1d2530", markersize=6)
        return svg_of(figure)


def _row(finding: Finding) -> tuple[str, ...]:
    words = DISTANCES[finding.judge]
    units = f" [{words.units}]" if words.units not in ("1", "share") else ""
    truth = "–" if finding.truth_value is None else words.say(finding.truth_value, finding.truth_uncertainty or 0.0)
    return (
        f"{words.title}{units}",
        words.say(finding.value, finding.uncertainty),
        truth,
        probability(finding),
        words.sees,
    )
