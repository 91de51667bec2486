"""The chapter on a band of a condition that was held out of training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from simulacra.judges.finding import Finding
from simulacra.pages import Chapter
from simulacra.reports.finding_rows import probability, truth_beside, value_of

TEXT: Final = (
    "The 1-Wasserstein distance of each observable inside the band less that in slices beside it, both beyond what "
    "truth against truth scores there, in standard deviations of the truth. Above 0: worse inside than beside. p is "
    "that of the largest such difference over all observables."
)


def band_chapter(findings: Sequence[Finding]) -> Chapter:
    """Return the chapter of what :func:`~simulacra.judges.bands.judge_band` found."""
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
