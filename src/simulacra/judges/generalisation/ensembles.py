r"""The model uncertainty of generated distributions, from an ensemble of generators, and a test of it.

M generators, trained in the same way with different seeds, make M histograms of an observable, with shares
:math:`g_{mb}`. If the results of training scatter around the truth, the mean :math:`\bar g_b` is within

.. math:: \pm t \, s_b / \sqrt{M}, \qquad s_b^2 = \frac{1}{M - 1} \sum_m (g_{mb} - \bar g_b)^2,

of it, with Student's t of M - 1 degrees of freedom, because the spread of few members is uncertain. The spread includes
the members' statistical errors. The truth in the comparison also has an error, :math:`\sigma_b`; the two are combined
with the degrees of freedom of Welch and Satterthwaite,
:math:`\nu = (s_b^2 / M + \sigma_b^2)^2 \,(M - 1) / (s_b^2 / M)^2`.

*Coverage* is the share of bins with the truth in the band. An error that all members share, such as one of their common
training sample or of a network that is too small, does not increase their spread: the band is then too narrow, and the
coverage shows it. Bins are correlated, and a few members scatter all bins together, so the coverage of an honest band
fluctuates much more than a binomial with this number of bins. Its error, and the coverage of an honest band, are
simulated: new members are drawn with the covariance of the given ones, and the events of all samples in blocks, around
the observed values (for the error), or around the ensemble's own mean instead of the truth (for the honest band).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from simulacra.judges.finding import Finding
from simulacra.judges.samples import Sample
from simulacra.statistics.ensemble_bands import Coverage, Draws, EnsembleHistogram, Inside, observed
from simulacra.wording import with_error

REPLICATES: Final = 400
SIGNIFICANT: Final = 0.05


@dataclass(frozen=True)
class EnsembleEvidence:
    """An ensemble's distributions with their bands, lowest coverage first, and the coverage of all bins together."""

    members: int
    histograms: tuple[EnsembleHistogram, ...]
    coverage: tuple[Coverage, ...]
    stretch: float


def judge_ensemble(
    truth: Sample, members: Sequence[Sample], rng: np.random.Generator, *, replicates: int = REPLICATES
) -> tuple[list[Finding], EnsembleEvidence]:
    """Return the coverage of each observable's band, and of all together, with their histograms.

    Parameters
    ----------
    truth:
        events that no member was trained on.
    members:
        events of each generator, with the truth's distribution of conditions.
    rng:
        of the replicates.

    Raises
    ------
    ValueError
        if there are fewer than two members, or one lacks an observable.
    """
    if len(members) < 2:
        raise ValueError(f"{len(members)} members have no spread: train at least 2 (simulacra train --members 2)")
    for number, member in enumerate(members):
        if lacking := [name for name in truth.observables if name not in member.observables]:
            raise ValueError(f"member {number} lacks the observables {lacking} of the truth")
    samples = [truth, *members]
    draws = Draws.of([len(sample) for sample in samples], replicates, rng)
    pieces = [
        observed(
            (name, truth.units[name], truth.long_names[name]),
            [(sample.observables[name], sample.weights) for sample in samples],
            draws,
        )
        for name in truth.observables
    ]
    everything = Inside.of([piece.inside for piece in pieces])
    overall, stretch = everything.coverage(), everything.stretch()
    pieces.sort(key=lambda piece: piece.histogram.coverage[0].excess)
    evidence = EnsembleEvidence(len(members), tuple(p.histogram for p in pieces), overall, stretch)
    sizes = (len(truth), sum(map(len, members)))
    findings = [_finding("all observables", "All observables", overall, stretch, len(members), sizes)]
    findings += [
        _finding(h.observable, h.long_name, h.coverage, h.stretch, len(members), sizes) for h in evidence.histograms
    ]
    return findings, evidence


def _finding(
    observable: str,
    title: str,
    coverage: tuple[Coverage, ...],
    stretch: float,
    members: int,
    sizes: tuple[int, int],
) -> Finding:
    first, second = coverage
    asked = f"{100 * first.level:.0f} %"
    found = with_error(first.value, first.error, "%")
    honest = f"an honest band of {members} members would cover {with_error(first.honest, first.honest_error, '%')}"
    if first.p_value >= SIGNIFICANT:
        said = f"the model-uncertainty band covers {found} of the truth's bins, nominally {asked}; {honest}"
    elif first.value < first.honest:
        said = (
            f"the model-uncertainty band is too narrow: it covers {found}, nominally {asked} ({honest}). The "
            f"members share an error that their spread does not show; {stretch:.1f} times as wide it would cover them"
        )
    else:
        said = f"the model-uncertainty band is too wide: it covers {found}, nominally {asked} ({honest})"
    return Finding.of(
        "ensemble_coverage",
        observable,
        (first.value, first.error, first.honest, first.honest_error, first.p_value),
        sizes,
        f"{title}: {said}.",
        details={
            "members": members,
            "level": first.level,
            "stretch": stretch,
            "coverage_95": second.value,
            "coverage_95_uncertainty": second.error,
            "honest_coverage_95": second.honest,
            "honest_coverage_95_uncertainty": second.honest_error,
            "p_value_95": second.p_value,
        },
    )
