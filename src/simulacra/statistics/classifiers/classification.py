"""The result of a classifier two-sample test: how well it tells two samples apart, with errors, by event."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from simulacra.statistics.classifiers.members import Plan
from simulacra.statistics.classifiers.platt import calibrated, information
from simulacra.statistics.classifiers.ranks import area_and_influence, growing_p_value, standard_error, standard_score

Method = Literal["perceptron", "trees", "deep_sets"]

FALSE_POSITIVE_GRID: Final = np.linspace(0.0, 1.0, 101)


@dataclass(frozen=True)
class Classification:
    """How well a classifier tells two samples apart.

    Attributes
    ----------
    method:
        name of the classifier.
    auc, uncertainty:
        the area under the ROC curve, mean over folds and repetitions, and its error over the judged events, with the
        spread between the repetitions in quadrature.
    aucs:
        AUC of each fold of each repetition, (R, folds).
    efficiency, efficiency_error:
        share of generated events classified as generated, at the shares ``FALSE_POSITIVE_GRID`` of truth events
        classified as generated, and its error over folds, (101,).
    n_truth, n_generated:
        numbers of used events.
    p_value:
        probability that two samples of one distribution are told apart at least as well (see ``members``).
    ensemble_auc, ensemble_uncertainty:
        the area under the ROC curve of the repetitions' mean log-odds.
    information, information_uncertainty:
        the calibrated log-odds' information on the sample of an event: the reduction of the log-loss over ln 2 [bit]. A
        lower bound on the Jensen-Shannon divergence.
    truth_log_odds, generated_log_odds:
        log-odds that an event is generated, from classifiers not trained on it, calibrated on other events and averaged
        over the repetitions: the estimated log ratio of the densities, generated over truth, (n,) and (m,).
    truth_rows, generated_rows:
        their positions among the given events, (n,) and (m,).
    """

    method: Method
    auc: float
    uncertainty: float
    aucs: np.ndarray
    efficiency: np.ndarray
    efficiency_error: np.ndarray
    n_truth: int
    n_generated: int
    p_value: float
    ensemble_auc: float
    ensemble_uncertainty: float
    information: float
    information_uncertainty: float
    truth_log_odds: np.ndarray
    generated_log_odds: np.ndarray
    truth_rows: np.ndarray
    generated_rows: np.ndarray

    def in_order(self, n: int, m: int) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the log-odds of all events of samples of these sizes; None if some of them were not looked at."""
        if len(self.truth_rows) < n or len(self.generated_rows) < m:
            return None
        first, second = np.empty(n), np.empty(m)
        first[self.truth_rows], second[self.generated_rows] = self.truth_log_odds, self.generated_log_odds
        return first, second

    def without_events(self) -> Classification:
        """Return the result without quantities of single events, for a record."""
        nothing = np.empty(0)
        return replace(
            self,
            truth_log_odds=nothing,
            generated_log_odds=nothing,
            truth_rows=nothing.astype(int),
            generated_rows=nothing.astype(int),
        )


def classification_of(
    method: Method, plan: Plan, scores: list[np.ndarray], labels: np.ndarray, weights: np.ndarray
) -> Classification:
    """Return the result from the members' log-odds, truth (label 0) before generated events (label 1)."""
    out_of_fold = plan.cross_validated(scores)
    shape = len(plan.folds), plan.n_folds
    aucs, influence = np.empty(shape), np.zeros(len(labels))
    efficiency = np.empty((*shape, len(FALSE_POSITIVE_GRID)))
    ensemble, ensemble_aucs, ensemble_influence = out_of_fold.mean(axis=0), [], np.zeros(len(labels))
    for repetition, fold in np.ndindex(*shape):
        inside = plan.folds[repetition] == fold
        judged, of, by = out_of_fold[repetition, inside], labels[inside], weights[inside]
        aucs[repetition, fold], one = area_and_influence(judged, of, by)
        influence[inside] += one / aucs.size
        efficiency[repetition, fold] = _roc(judged, of, by)
        if repetition == 0:
            area, one = area_and_influence(ensemble[inside], of, by)
            ensemble_aucs.append(area)
            ensemble_influence[inside] = one / plan.n_folds
    log_odds = calibrated(ensemble, labels, weights, plan.folds[0])
    told, told_error = information(log_odds, labels, weights)
    standard_scores = [
        standard_score(scores[place], labels[held := plan.members[place].held_out], weights[held])
        for place in plan.growing
    ]
    between = float(aucs.mean(axis=1).std(ddof=1)) if len(aucs) > 1 else 0.0
    generated = labels == 1
    n, m = int(np.sum(~generated)), int(np.sum(generated))
    # Samples that were never confused have no spread: one event would have changed the AUC by this much.
    least = 1.0 / min(n, m)
    return Classification(
        method=method,
        auc=float(aucs.mean()),
        uncertainty=max(float(np.hypot(standard_error(influence), between)), least),
        aucs=aucs,
        efficiency=efficiency.mean(axis=(0, 1)),
        # Repetitions judge the same events again: the folds alone are independent.
        efficiency_error=efficiency.mean(axis=0).std(axis=0, ddof=1) / np.sqrt(plan.n_folds),
        n_truth=n,
        n_generated=m,
        p_value=growing_p_value(np.array(standard_scores)),
        ensemble_auc=float(np.mean(ensemble_aucs)),
        ensemble_uncertainty=max(
            float(np.hypot(standard_error(ensemble_influence), between / len(aucs) ** 0.5)), least
        ),
        information=told,
        information_uncertainty=max(told_error, least),
        truth_log_odds=log_odds[~generated],
        generated_log_odds=log_odds[generated],
        truth_rows=np.arange(n),
        generated_rows=np.arange(m),
    )


def classification_of_one(
    method: Method,
    scores: np.ndarray,
    log_odds: np.ndarray,
    rows: np.ndarray,
    labels: np.ndarray,
    weights: np.ndarray,
) -> Classification:
    """Return the result of a single classifier on its test events.

    Parameters
    ----------
    scores, log_odds:
        of the judged events, before and after calibration, (K,).
    rows:
        their positions, (K,).
    labels, weights:
        of all events, (N,), truth before generated events.
    """
    of, by = labels[rows], weights[rows]
    area, influence = area_and_influence(scores, of, by)
    told, told_error = information(log_odds, of, by)
    n, m = int(np.sum(of == 0)), int(np.sum(of == 1))
    error = max(standard_error(influence), 1.0 / min(n, m))
    efficiency = _roc(scores, of, by)
    # Binomial, over the generated events: there is one part, and no folds to spread.
    binomial = np.sqrt(efficiency * (1 - efficiency) * np.sum(by[of == 1] ** 2)) / by[of == 1].sum()
    return Classification(
        method=method,
        auc=area,
        uncertainty=error,
        aucs=np.array([[area]]),
        efficiency=efficiency,
        efficiency_error=binomial,
        n_truth=n,
        n_generated=m,
        p_value=growing_p_value(np.array([standard_score(scores, of, by)])),
        ensemble_auc=area,
        ensemble_uncertainty=error,
        information=told,
        information_uncertainty=max(told_error, 1.0 / min(n, m)),
        truth_log_odds=log_odds[of == 0],
        generated_log_odds=log_odds[of == 1],
        truth_rows=rows[of == 0],
        generated_rows=rows[of == 1] - int(np.sum(labels == 0)),
    )


def mean_one(weights: np.ndarray | None, n: int) -> np.ndarray:
    """Return weights, (n,), whose mean is 1."""
    if weights is None:
        return np.ones(n)
    return np.asarray(weights / np.mean(weights), dtype=np.float64)


def _roc(scores: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    if weights.min() < 0:
        return _signed_roc(scores, labels, weights)
    from sklearn.metrics import roc_curve

    false_positive, true_positive, _ = roc_curve(labels, scores, sample_weight=weights)
    return np.asarray(np.interp(FALSE_POSITIVE_GRID, false_positive, true_positive))


def _signed_roc(scores: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the same with negative weights; shares above a threshold may then decrease, and the largest is used."""
    order = np.argsort(-scores, kind="stable")
    shares = [np.cumsum(np.where(labels[order] == k, weights[order], 0.0)) / weights[labels == k].sum() for k in (0, 1)]
    false_positive, true_positive = (np.clip(np.maximum.accumulate(np.append(0.0, s)), 0, 1) for s in shares)
    return np.asarray(np.interp(FALSE_POSITIVE_GRID, false_positive, true_positive))
