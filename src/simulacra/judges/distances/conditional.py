r"""The judges of single observables in bins of each condition, with errors for all bins and observables at once.

A generator that is right overall may be wrong in a part: above 80 GeV, or everywhere, if it ignores the condition. In
each bin of a condition (equal numbers of truth events, at least 100 of both samples, at most 6 bins) each observable is
compared by

* the 1-Wasserstein distance, in standard deviations of the truth in that bin,
* the shift of the mean, in the same unit, and the ratio of the standard deviations, generated over truth (a finding's
  value is the size of the shift and of the ratio's logarithm),
* the area under a classifier's ROC curve, if its out-of-fold log-odds are given.

Events are exchanged, halved and drawn again within bins (:mod:`simulacra.statistics.distances.divisions`), and limits,
bands and p-values are those of the largest over all bins and observables of a condition
(:mod:`simulacra.statistics.distances.simultaneous`): each judge and condition, not each bin, raises a false alarm for 5
% of perfect generators. The classifier is not trained again on exchanged events: its p-value uses the log-odds
unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from simulacra.judges.distances.conditional_bins import ConditionEvidence, condition_edges, judged_in_bins
from simulacra.judges.finding import Finding
from simulacra.judges.samples import Sample
from simulacra.statistics.distances.divisions import REPLICATES
from simulacra.statistics.distances.simultaneous import Simultaneous
from simulacra.wording import MINUS, listed, with_error

LEVEL: Final = 0.05
MOST_NAMES: Final = 3
# Below this slope of its means against the truth's, the finding says that an observable does not follow the condition.
LEAST_SLOPE: Final = 0.5
UNITS: Final = "truth standard deviations"


@dataclass(frozen=True)
class ConditionalEvidence:
    """The data for the figures of the conditional judges."""

    conditions: tuple[ConditionEvidence, ...]
    units: dict[str, str]
    long_names: dict[str, str]


def judge_conditional(
    truth: Sample,
    generated: Sample,
    rng: np.random.Generator,
    log_odds: tuple[np.ndarray, np.ndarray] | None = None,
    *,
    replicates: int = REPLICATES,
) -> tuple[list[Finding], ConditionalEvidence | None]:
    """Judge every observable in bins of every condition.

    Parameters
    ----------
    truth, generated:
        the samples, of sizes N and M, with the same distribution of the conditions.
    rng:
        for the replicates.
    log_odds:
        out-of-fold log-odds of a classifier that an event is generated, (N,) and (M,).
    replicates:
        their number.

    Returns
    -------
    tuple
        findings (the worst bin and observable of each judge and condition), and the evidence; None if no condition
        varies or no two bins have enough events.

    Raises
    ------
    ValueError
        if log-odds are not one finite number per event.
    """
    for given, sample in zip(log_odds or (), (truth, generated), strict=False):
        if given.shape != (len(sample),) or not np.isfinite(given).all():
            raise ValueError(f"log-odds of {sample.label} must be {len(sample)} finite numbers, one per event")
    if not set(truth.observables) & set(generated.observables):
        return [], None
    found = [
        judged_in_bins(name, edges, truth, generated, rng, log_odds, replicates)
        for name in truth.conditions
        if name in generated.conditions and (edges := condition_edges(truth, generated, name)) is not None
    ]
    if not found:
        return [], None
    evidence = ConditionalEvidence(tuple(found), dict(truth.units), dict(truth.long_names))
    sizes = (len(truth), len(generated))
    findings = [
        _finding(judge, one, judged, truth, sizes, units)
        for one in found
        for judge, judged, units in (
            ("conditional_wasserstein_distance", one.wasserstein, UNITS),
            ("conditional_mean", one.shift, UNITS),
            ("conditional_width", one.width, "1"),
            ("conditional_auc", one.auc, "1"),
        )
        if judged is not None
    ]
    return findings, evidence


def _finding(
    judge: str, found: ConditionEvidence, judged: Simultaneous, truth: Sample, sizes: tuple[int, int], units: str
) -> Finding:
    """Return the worst cell of one judge; its value is the score, or the distance or AUC itself."""
    worst, table = judged.worst, found.table(judged.value)
    worst_bin, column = divmod(worst, table.shape[1])
    area = judge == "conditional_auc"
    as_it_is = area or judge == "conditional_wasserstein_distance"
    value = float((judged.value if as_it_is else judged.score)[worst])
    chance = judged.chance + (0.5 if area else 0.0)
    return Finding.of(
        judge,
        "all observables" if area else found.observables[column],
        (value, float(judged.error[worst]), chance, judged.chance_error, judged.p_value),
        sizes,
        sentence_of(judge, found, judged, truth.long_names, truth.label),
        units=units,
        region=found.region(worst_bin),
        details={
            "condition": found.condition,
            "edges": found.edges.tolist(),
            "values": table[:, column].tolist(),
            "uncertainties": found.table(judged.error)[:, column].tolist(),
            "limits_95": found.table(judged.limit_95)[:, column].tolist(),
            "bands_95": found.table(judged.band_95)[:, column].tolist(),
            "wrong": [] if area else [found.observables[o] for o in np.flatnonzero(_wrong(found, judged).any(axis=0))],
            "follows": 1.0 if area else float(found.follows[column]),
        },
    )


def sentence_of(
    judge: str, found: ConditionEvidence, judged: Simultaneous, long_names: Mapping[str, str], label: str
) -> str:
    """Return a judge's result in the bins of a condition, in words."""
    table = found.table(judged.value)
    worst_bin, column = divmod(judged.worst, table.shape[1])
    what, name = _measured(judge, table[worst_bin, column], float(judged.error[judged.worst])), "the classifier"
    if judge != "conditional_auc":
        name = long_names[found.observables[column]]
    noun = {"conditional_mean": "mean of ", "conditional_width": "width of "}.get(judge, "")
    subject = f"{noun}{name}"
    if judged.p_value > LEVEL:
        return (
            f"In {len(table)} bins of {found.condition} nothing differs beyond chance: the largest, "
            f"{subject} {found.place(worst_bin)}, {what} (p = {judged.p_value:.2g} for all bins together)."
        )
    wrong = _wrong(found, judged)
    here = wrong[:, column]
    fault = "tells the samples apart" if judge == "conditional_auc" else "is wrong"
    if here.all():
        said = f"{subject} {fault} in every bin of {found.condition}, most {found.place(worst_bin)}: {what}"
    else:
        elsewhere = table[~here, column]
        far = float(elsewhere[np.argmax(np.abs(elsewhere - (1.0 if judge == "conditional_width" else 0.0)))])
        said = f"{subject} {fault} {_places(found, here)}: {what}, elsewhere at most {far:.2g}"
    said = f"{said[0].upper()}{said[1:]} (p = {judged.p_value:.2g} for all bins together)."
    if judge != "conditional_auc":
        others = [o for o in np.flatnonzero(wrong.any(axis=0)) if o != column]
        if others:
            ranked = sorted(others, key=lambda o: -found.table(judged.excess)[:, o].max())
            names = [long_names[found.observables[o]] for o in ranked]
            said += f" So {'is' if len(others) == 1 else 'are'} {listed(names, MOST_NAMES)}."
        elif table.shape[1] > 1:
            said += f" No other of {table.shape[1]} observables is seen to differ from {label}."
        if judge != "conditional_width" and found.follows[column] < LEAST_SLOPE:
            slope = f"{found.follows[column]:.2f}".replace("-", MINUS)
            said += f" It does not follow {found.condition}: its mean moves {slope} times as far as {label}'s."
    return said


def _measured(judge: str, value: float, error: float) -> str:
    number = with_error(value, error)
    return {
        "conditional_wasserstein_distance": f"W1 = {number} standard deviations",
        "conditional_mean": f"shifted by {number} standard deviations",
        "conditional_width": f"{number} times the truth's",
        "conditional_auc": f"AUC = {number}",
    }[judge]


def _wrong(found: ConditionEvidence, judged: Simultaneous) -> np.ndarray:
    """Return which cells exceed their limit, (bins, O), if the p-value is small; then at least the worst does."""
    wrong = judged.excess > 1
    wrong[judged.worst] = True
    return found.table(wrong if judged.p_value <= LEVEL else np.zeros_like(wrong))


def _places(found: ConditionEvidence, wrong: np.ndarray) -> str:
    """Return the bins that are wrong, (bins,) bool, in words: "above 80 GeV and below 5 GeV"."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], wrong.astype(np.int8), [0]])))
    return " and ".join(found.place(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True))
