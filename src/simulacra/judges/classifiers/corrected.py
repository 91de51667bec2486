"""Pass with weights: judge the generated events again with weights from a classifier's odds.

The events are divided in two halves. On the first, boosted trees and a perceptron learn to tell generated events from
truth. Their calibrated odds are the ratio of the densities, truth over generated, and are the weights of the generated
events in the second half. There, new classifiers and the distances of single observables judge the weighted events,
which were not used to train the weights. The effective sample size measures the cost of the weights. Weights cannot
correct a region without generated events.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from simulacra.judges.classifiers.separability import Roc, findings_of, tables_of
from simulacra.judges.criteria import WITH_WEIGHTS
from simulacra.judges.distances.distributions import judge_distributions
from simulacra.judges.finding import Finding
from simulacra.judges.samples import Sample
from simulacra.progress import Progress, silent
from simulacra.statistics.classifiers.classifier import CELL_THRESHOLD, labelled
from simulacra.statistics.classifiers.members import Member, cross_validation
from simulacra.statistics.classifiers.perceptron import Perceptron, perceptron_scores
from simulacra.statistics.classifiers.platt import fit_platt
from simulacra.statistics.classifiers.trees import tree_scores
from simulacra.statistics.distances.divisions import Replicates
from simulacra.statistics.distances.two_sample import effective_size
from simulacra.statistics.outliers import reined

FEWEST_EVENTS: Final = 200
FOLDS: Final = 3
#: share of the work that learning the weights is
LEARNING: Final = 0.1
LARGEST_WEIGHT: Final = 20.0
SMALLEST_EFFECTIVE_SHARE: Final = 0.01


@dataclass(frozen=True)
class Correction:
    """A classifier's weights of generated events not used in its training, and their cost.

    Attributes
    ----------
    rows:
        positions among the generated events, (n,).
    truth_rows:
        positions of the truth's events for the comparison, (k,).
    weights:
        the classifier's weights, (n,), whose mean under the events' own weights is 1.
    effective_size:
        number of unweighted events with the same fluctuation.
    effective_share:
        this number over that without these weights.
    clipped_share:
        share of the events whose weights were clipped to ``LARGEST_WEIGHT``.
    largest:
        the largest weight.
    rocs:
        results of new classifiers on the weighted events.
    """

    rows: np.ndarray
    truth_rows: np.ndarray
    weights: np.ndarray
    effective_size: float
    effective_share: float
    clipped_share: float
    largest: float
    rocs: tuple[Roc, ...]

    def of(self, truth: Sample, generated: Sample) -> tuple[Sample, Sample]:
        """Return the judged truth events, and the generated ones with these weights times their own."""
        chosen = generated.take(self.rows)
        return truth.take(self.truth_rows), replace(chosen, weights=chosen.weights * self.weights)

    @property
    def sentence(self) -> str:
        """The cost of the weights, in words."""
        clipped = f"; {self.clipped_share:.2%} of them were clipped at {LARGEST_WEIGHT:g}" if self.clipped_share else ""
        return (
            f"With weights from classifiers, {len(self.rows):,} generated events are worth "
            f"{self.effective_size:,.0f} ({self.effective_share:.0%}); the largest weight is {self.largest:.3g} times "
            f"the mean{clipped}."
        )


def judge_corrected(
    truth: Sample,
    generated: Sample,
    rng: np.random.Generator,
    *,
    cell_threshold: float = CELL_THRESHOLD,
    progress: Progress = silent,
) -> tuple[list[Finding], Correction | None]:
    """Return the findings of the judges of distributions and the classifiers on weighted generated events.

    The findings have the names of the plain judges, and their ``region`` is ``WITH_WEIGHTS``. There are none, and no
    correction, if a half has fewer than ``FEWEST_EVENTS`` events, or if the weights leave less than one effective event
    in a hundred.
    """
    halves = [_halves(len(sample), rng) for sample in (truth, generated)]
    if min(len(rows) for pair in halves for rows in pair) < FEWEST_EVENTS // 2:
        return [], None
    learned = truth.take(halves[0][0]), generated.take(halves[1][0])
    judged = truth.take(halves[0][1]), generated.take(halves[1][1])
    progress("learning weights", 0.0)
    log_odds = _log_odds(learned, judged, cell_threshold, rng)
    own = judged[1].weights
    raw = np.exp(-np.clip(log_odds, -50, 50))
    raw /= np.average(raw, weights=own)
    clipped = np.minimum(raw, LARGEST_WEIGHT)
    weights = clipped / np.average(clipped, weights=own)
    size, before = effective_size(own * weights), effective_size(own)
    if size < SMALLEST_EFFECTIVE_SHARE * before:
        return [], None

    weighted = replace(judged[1], weights=own * weights)
    # Truth against truth has as many events as the weighted ones are worth.
    second = learned[0].take(rng.permutation(len(learned[0]))[: max(FEWEST_EVENTS // 4, round(size))])
    findings, rocs = findings_of(
        judged[0],
        weighted,
        (judged[0], second),
        rng,
        cell_threshold=cell_threshold,
        progress=lambda step, share: progress(f"with weights: {step}", LEARNING + (1 - LEARNING) * share),
    )
    replicates = Replicates.draw(judged[0].weights, weighted.weights, rng)
    findings += judge_distributions(judged[0], weighted, judged[0], replicates)[0]
    correction = Correction(
        rows=halves[1][1],
        truth_rows=halves[0][1],
        weights=weights,
        effective_size=size,
        effective_share=size / before,
        clipped_share=float(np.mean(raw > LARGEST_WEIGHT)),
        largest=float(weights.max()),
        rocs=rocs,
    )
    effective = Finding.of(
        "effective_share",
        "weights",
        (correction.effective_share, 0.0),
        (len(judged[0]), len(weighted)),
        correction.sentence,
        units="%",
        details={"effective_size": size, "largest": correction.largest, "clipped_share": correction.clipped_share},
    )
    return [f.model_copy(update={"region": WITH_WEIGHTS}) for f in (*findings, effective)], correction


def _log_odds(
    learned: tuple[Sample, Sample], judged: tuple[Sample, Sample], cell_threshold: float, rng: np.random.Generator
) -> np.ndarray:
    """Return the calibrated log-odds of the judged generated events, (n,), from classifiers trained on the others."""
    n, m = len(learned[0]), len(learned[1])
    known, unseen = tables_of(learned[0].joined(learned[1]), judged[1], cell_threshold)
    table = np.concatenate(reined(known, unseen)).astype(np.float32)
    labels, weights, balanced = labelled(n, m, learned[0].weights, learned[1].weights)
    plan = cross_validation(labels, FOLDS, 1, rng)
    new = np.arange(n + m, len(table))
    # Each member judges what it has not learned from, to be calibrated on, and the new events.
    members = [Member(one.training, np.concatenate([one.held_out, new])) for one in plan.members[:FOLDS]]
    given = np.concatenate([labels, np.ones(len(new), dtype=labels.dtype)])
    by = np.concatenate([balanced, np.ones(len(new))])
    seeds = [int(s) for s in rng.integers(2**31, size=2)]
    every = zip(
        tree_scores(table, given, by, members, seeds[0]),
        perceptron_scores(table, given, by, members, seeds[1], Perceptron()),
        strict=True,
    )
    out_of_fold, found = np.empty(n + m), np.zeros(len(new))
    for member, pair in zip(plan.members, every, strict=False):
        mean = (pair[0] + pair[1]) / 2
        held = len(member.held_out)
        out_of_fold[member.held_out] = mean[:held]
        found += mean[held:] / FOLDS
    slope, offset = fit_platt(out_of_fold, labels, weights)
    return slope * found + offset


def _halves(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    rows = rng.permutation(n)
    return rows[: n // 2], rows[n // 2 :]
