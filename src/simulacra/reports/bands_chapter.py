"""The chapter on a band of a condition that was held out of training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from simulacra.judges.finding import Finding
from simulacra.pages import Chapter
from simulacra.reports.finding_rows import probability, truth_beside, value_of

TEXT: Final = (
    "The excess of each observable's 1-Wasserstein distance over truth against truth, inside the band minus in the "
    "slices next to it, in standard deviations of the truth. Above 0: worse inside. p is that of the largest such "
    "difference of all observables."
)


def band_chapter(findings: Sequence[Finding]) -> Chapter:
    """Return the chapter on the results of :func:`~simulacra.judges.bands.judge_band`."""
    overall, *each = findings
    return Chapter(
        "band",
        f"Held out of training: {overall.region}",
        (overall.sentence, TEXT),
        columns=("observable", "worse inside [σ]", "truth–truth", "p"),
        rows=tuple(
            (
                finding.observable.replace("_", " "),
                value_of(finding),
                truth_beside(finding),
                probability(finding),
            )
            for finding in (overall, *sorted(each, key=lambda one: -one.value))
        ),
    )
