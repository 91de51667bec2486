"""The classifier two-sample test: how well truth and generated events can be told apart, one event at a time.

A classifier is trained on most of the events and asked about the rest, fold by fold, so that no event is judged by a
classifier that has seen it. The area under its ROC curve (AUC) is 0.5 for samples that it cannot tell apart and 1 for
samples that it always can; it is an average over folds and over repetitions with other folds and other initial weights.
Its uncertainty is the bootstrap error over the judged events, with the spread between the repetitions in quadrature.

The conditions stand among the features: the judgement is a conditional one, and the two samples must have the same
distribution of the conditions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from simulacra.judges.classifiers.perceptron import Perceptron, perceptron_scores

Kind = Literal["perceptron", "trees"]

FOLDS: Final = 5
REPETITIONS: Final = 2
BOOTSTRAPS: Final = 200
FALSE_POSITIVE_GRID: Final = np.linspace(0.0, 1.0, 101)
TREE_BINS: Final = 63
CELL_THRESHOLD: Final = 0.01
CELL_SCALE: Final = 1e-5
MEV_PER_GEV: Final = 1000.0


@dataclass(frozen=True)
class Classification:
    """How well a classifier tells two samples apart.

    Attributes
    ----------
    auc, uncertainty:
        the area under the ROC curve.
    aucs:
        that of each fold of each repetition, (R, folds).
    efficiency, efficiency_error:
        share of the generated events called so, at the shares ``FALSE_POSITIVE_GRID`` of truth events called generated,
        and its error over folds, (101,).
    n_truth, n_generated:
        events that were used.
    """

    kind: Kind
    auc: float
    uncertainty: float
    aucs: np.ndarray
    efficiency: np.ndarray
    efficiency_error: np.ndarray
    n_truth: int
    n_generated: int


def cell_features(cells: np.ndarray, incident_energy: np.ndarray, *, threshold: float = CELL_THRESHOLD) -> np.ndarray:
    """Return what a classifier sees of showers' cells: logarithms of energies, (N, n_cells + 1) float32.

    Parameters
    ----------
    cells:
        (N, n_cells), [MeV].
    incident_energy:
        (N,), [GeV].
    threshold:
        energy up to which a cell counts as empty [MeV].
    """
    scale = CELL_SCALE * MEV_PER_GEV * np.maximum(incident_energy, 1e-6)
    seen = np.where(cells > threshold, cells, 0.0)
    logarithms = np.log10(1 + seen / scale[:, None])
    return np.column_stack([logarithms, np.log10(np.maximum(incident_energy, 1e-6))]).astype(np.float32)


def classify(
    truth: np.ndarray,
    generated: np.ndarray,
    kind: Kind,
    *,
    truth_weights: np.ndarray | None = None,
    generated_weights: np.ndarray | None = None,
    folds: int = FOLDS,
    repetitions: int = REPETITIONS,
    seed: int = 0,
    perceptron: Perceptron | None = None,
) -> Classification:
    """Train classifiers and return how well they tell generated events from truth.

    Parameters
    ----------
    truth, generated:
        features, (N, F) and (M, F), finite.
    kind:
        "trees" (boosted, histogram-based) or "perceptron".
    truth_weights, generated_weights:
        non-negative weight of each event, (N,) and (M,).
    folds, repetitions:
        parts that the events are cut into, and how often, each time differently.
    seed:
        of the folds, the classifiers and the bootstrap.

    Raises
    ------
    ValueError
        if there are fewer than two events of each sample a fold.
    """
    if min(len(truth), len(generated)) < 2 * folds:
        raise ValueError(
            f"{folds} folds need {2 * folds} events of each sample at least, not {len(truth)} and {len(generated)}"
        )
    rng = np.random.default_rng(seed)
    features = np.concatenate([truth, generated]).astype(np.float32)
    labels = np.repeat([0, 1], [len(truth), len(generated)])
    weights = np.concatenate([_mean_one(truth_weights, len(truth)), _mean_one(generated_weights, len(generated))])
    # Each class counts as much as the other, whatever the sizes of the samples.
    balance = np.where(labels == 1, len(truth) / len(generated), 1.0)
    fold = np.stack([_stratified(labels, folds, rng) for _ in range(repetitions)])
    if kind == "perceptron":
        scores = perceptron_scores(
            features, labels, weights * balance, fold, seed=int(rng.integers(2**31)), settings=perceptron
        )
    else:
        scores = _tree_scores(features, labels, weights * balance, fold, rng)
    return _summary(kind, scores, labels, weights, fold, rng)


def weighted_auc(scores: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the area under the ROC curve for each row of weights, (B,); ties count half.

    Parameters
    ----------
    scores, labels:
        (N,); label 1 is expected to score higher.
    weights:
        (B, N).
    """
    order = np.argsort(scores, kind="stable")
    first = np.flatnonzero(np.r_[True, np.diff(scores[order]) > 0])
    sorted_weights = weights[:, order]
    signal = np.add.reduceat(sorted_weights * (labels[order] == 1), first, axis=1)
    background = np.add.reduceat(sorted_weights * (labels[order] == 0), first, axis=1)
    below = np.cumsum(background, axis=1) - 0.5 * background
    area: np.ndarray = (signal * below).sum(axis=1) / (signal.sum(axis=1) * background.sum(axis=1))
    return area


def _tree_scores(
    features: np.ndarray, labels: np.ndarray, weights: np.ndarray, folds: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    from sklearn.ensemble import HistGradientBoostingClassifier

    scores = np.zeros(folds.shape)
    weighted = bool(np.ptp(weights) > 0)
    if weighted:
        features = _few_values(features)
    for repetition, row in enumerate(folds):
        for fold in range(int(row.max()) + 1):
            training = row != fold
            model = HistGradientBoostingClassifier(
                max_iter=300,
                max_leaf_nodes=15,
                min_samples_leaf=20,
                max_bins=TREE_BINS,
                # With hundreds of cells a tenth of them a split loses nothing and is several times as fast.
                max_features=min(1.0, max(0.1, 20 / features.shape[1])),
                early_stopping=True,
                validation_fraction=0.15,
                n_iter_no_change=15,
                random_state=int(rng.integers(2**31)),
            )
            model.fit(features[training], labels[training], sample_weight=weights[training] if weighted else None)
            scores[repetition, ~training] = model.decision_function(features[~training])
    return scores


def _few_values(features: np.ndarray) -> np.ndarray:
    """Return features on few values each, for the weighted quantiles that the trees would take are very slow."""
    few = np.empty_like(features)
    for column in range(features.shape[1]):
        edges = np.unique(np.quantile(features[:, column], np.linspace(0, 1, TREE_BINS)[1:-1]))
        few[:, column] = np.searchsorted(edges, features[:, column], side="right")
    return few


def _summary(
    kind: Kind, scores: np.ndarray, labels: np.ndarray, weights: np.ndarray, folds: np.ndarray, rng: np.random.Generator
) -> Classification:
    n_folds = int(folds.max()) + 1
    n = len(labels)
    drawn = rng.poisson(1.0, (BOOTSTRAPS, n)).astype(np.float64) * weights
    trials = np.concatenate([weights[None], drawn])
    areas = np.empty((len(folds), n_folds, len(trials)))
    efficiency = np.empty((len(folds), n_folds, len(FALSE_POSITIVE_GRID)))
    for repetition, row in enumerate(folds):
        for fold in range(n_folds):
            inside = row == fold
            areas[repetition, fold] = weighted_auc(scores[repetition, inside], labels[inside], trials[:, inside])
            efficiency[repetition, fold] = _roc(scores[repetition, inside], labels[inside], weights[inside])
    aucs = areas[:, :, 0]
    statistical = float(areas[:, :, 1:].mean(axis=(0, 1)).std(ddof=1))
    between = float(aucs.mean(axis=1).std(ddof=1)) if len(folds) > 1 else 0.0
    return Classification(
        kind,
        float(aucs.mean()),
        # Samples that were never confused have no bootstrap spread: one event would have changed the AUC by this much.
        max(float(np.hypot(statistical, between)), 1.0 / min(int(np.sum(labels == 0)), int(np.sum(labels == 1)))),
        aucs,
        efficiency.mean(axis=(0, 1)),
        # Repetitions judge the same events again: the folds alone are independent.
        efficiency.mean(axis=0).std(axis=0, ddof=1) / np.sqrt(n_folds),
        int(np.sum(labels == 0)),
        int(np.sum(labels == 1)),
    )


def _roc(scores: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    from sklearn.metrics import roc_curve

    false_positive, true_positive, _ = roc_curve(labels, scores, sample_weight=weights)
    return np.asarray(np.interp(FALSE_POSITIVE_GRID, false_positive, true_positive))


def _stratified(labels: np.ndarray, folds: int, rng: np.random.Generator) -> np.ndarray:
    """Return a fold for each event, (N,), with as many of either label in each, but for one."""
    fold = np.empty(len(labels), dtype=np.int64)
    for label in (0, 1):
        rows = np.flatnonzero(labels == label)
        fold[rows] = rng.permutation(np.arange(len(rows)) % folds)
    return fold


def _mean_one(weights: np.ndarray | None, n: int) -> np.ndarray:
    if weights is None:
        return np.ones(n)
    return np.asarray(weights / np.mean(weights), dtype=np.float64)
