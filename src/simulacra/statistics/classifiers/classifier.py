"""The classifier two-sample test: how well truth and generated events can be told apart, one event at a time.

A classifier is trained on most of the events and evaluated on the rest, fold by fold, so that no event is judged by a
classifier trained on it. The area under its ROC curve (AUC) is 0.5 for samples that it cannot tell apart and 1 for
samples that it always can. It is an average over folds and over repetitions with other folds and other initial weights.
Its uncertainty is the statistical error over the judged events, with the spread between the repetitions in quadrature.

The features include the conditions: the comparison is at given conditions, and the two samples must have the same
distribution of the conditions.

The protocol "calochallenge" is that of the CaloChallenge's evaluation (arXiv:2410.21611), for comparison with its
tables: one split of 60, 20 and 20 %, a perceptron of 2048 units per layer, the epoch with the best accuracy on the
second part, which also calibrates it (isotonic), and the AUC on the third part. It is slow without a GPU, and one
split's AUC has the error of a fifth of the events.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from simulacra.statistics.classifiers.classification import (
    FALSE_POSITIVE_GRID,
    Classification,
    Method,
    classification_of,
    classification_of_one,
    mean_one,
)
from simulacra.statistics.classifiers.members import cross_validation, single_split
from simulacra.statistics.classifiers.perceptron import CALOCHALLENGE, LARGE_SAMPLES, Perceptron, perceptron_scores
from simulacra.statistics.classifiers.trees import tree_scores
from simulacra.statistics.outliers import reined

__all__ = ["FALSE_POSITIVE_GRID", "Classification", "Method", "TrainingProtocol", "cell_features", "classify"]

TrainingProtocol = Literal["cross-validation", "calochallenge"]

MANY_EVENTS: Final = 20_000
CALOCHALLENGE_SHARES: Final = (0.6, 0.2)
CELL_THRESHOLD: Final = 0.01
CELL_SCALE: Final = 1e-5
MEV_PER_GEV: Final = 1000.0
#: cells whose logarithms are computed at once
AT_ONCE: Final = 2**22


@dataclass(frozen=True)
class Effort:
    """Number of folds, and of repetitions with other folds."""

    folds: int
    repetitions: int


def effort_for(n: int) -> Effort:
    """Return the effort for samples of n events; above ``MANY_EVENTS`` less is enough."""
    return Effort(5, 2) if n < MANY_EVENTS else Effort(5, 1)


def cell_features(cells: np.ndarray, incident_energy: np.ndarray, *, threshold: float = CELL_THRESHOLD) -> np.ndarray:
    """Return a classifier's inputs from showers' cells: logarithms of energies, (N, n_cells + 1) float32.

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
    found = np.empty((len(cells), cells.shape[1] + 1), dtype=np.float32)
    found[:, -1] = np.log10(np.maximum(incident_energy, 1e-6))
    # In double precision, of which only a block is in memory at once.
    step = max(1, AT_ONCE // max(1, cells.shape[1]))
    for start in range(0, len(cells), step):
        rows = slice(start, start + step)
        seen = np.where(cells[rows] > threshold, cells[rows], 0.0)
        found[rows, :-1] = np.log10(1 + seen / scale[rows, None])
    return found


def classify(
    truth: np.ndarray,
    generated: np.ndarray,
    method: Method,
    *,
    truth_weights: np.ndarray | None = None,
    generated_weights: np.ndarray | None = None,
    folds: int | None = None,
    repetitions: int | None = None,
    seed: int = 0,
    perceptron: Perceptron | None = None,
    protocol: TrainingProtocol = "cross-validation",
    paired: bool = False,
) -> Classification:
    """Train classifiers and return how well they tell generated events from truth.

    Parameters
    ----------
    truth, generated:
        features, (N, F) and (M, F), finite.
    method:
        "trees" (boosted, histogram-based) or "perceptron".
    truth_weights, generated_weights:
        weight of each event, (N,) and (M,); not negative for trees.
    folds, repetitions:
        number of folds, and of repetitions with other folds; chosen by the sample's size if None (see
        :func:`effort_for`).
    seed:
        of the folds and the classifiers.
    perceptron:
        settings of the perceptron, if not the protocol's.
    protocol:
        "cross-validation", or "calochallenge", for perceptrons only.
    paired:
        whether truth and generated events are pairs in their order, such as of equal conditions, which cross-validation
        must not divide.

    Raises
    ------
    ValueError
        if there are fewer than two events of each sample per fold, the samples' features differ in number, one is not
        finite, or a weight is negative for trees.
    """
    check_samples(truth, generated, (truth_weights, generated_weights))
    features = np.concatenate(reined(truth, generated)).astype(np.float32, copy=False)
    labels, weights, balanced = labelled(len(truth), len(generated), truth_weights, generated_weights)
    rng = np.random.default_rng(seed)
    if protocol == "calochallenge":
        if method != "perceptron":
            raise ValueError(f"the CaloChallenge's protocol is for perceptrons, not for {method}")
        return _calochallenge(features, labels, weights, balanced, perceptron or CALOCHALLENGE, rng)
    if protocol != "cross-validation":
        raise ValueError(f"no protocol '{protocol}'; there are cross-validation and calochallenge")
    effort = effort_for(min(len(truth), len(generated)))
    plan = cross_validation(labels, folds or effort.folds, repetitions or effort.repetitions, rng, paired=paired)
    member_seed = int(rng.integers(2**31))
    if method == "perceptron":
        settings = perceptron or (LARGE_SAMPLES if len(labels) >= 2 * MANY_EVENTS else Perceptron())
        scores = perceptron_scores(features, labels, balanced, plan.members, member_seed, settings)
    elif method == "trees":
        if weights.min() < 0:
            raise ValueError(f"{np.sum(weights < 0)} weights are negative, and trees accept only positive ones")
        scores = tree_scores(features, labels, balanced, plan.members, member_seed)
    else:
        raise ValueError(f"tables of features are judged by 'trees' or a 'perceptron', not by '{method}'")
    return classification_of(method, plan, scores, labels, weights)


def labelled(
    n: int, m: int, truth_weights: np.ndarray | None, generated_weights: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return labels, weights of mean 1 in each sample, and weights that balance the classes, (n + m,) each."""
    labels = np.repeat([0, 1], [n, m])
    weights = np.concatenate([mean_one(truth_weights, n), mean_one(generated_weights, m)])
    return labels, weights, weights * np.where(labels == 1, n / m, 1.0)


def check_samples(truth: np.ndarray, generated: np.ndarray, weights: Sequence[np.ndarray | None]) -> None:
    """Refuse events that no classifier can be trained on.

    Raises
    ------
    ValueError
        with the sample and the reason.
    """
    if truth.shape[1:] != generated.shape[1:] or truth.ndim < 2:
        raise ValueError(
            f"truth has the shape {truth.shape} and generated events {generated.shape}: give (events, features), "
            "with the same number of features"
        )
    for label, values, given in zip(("truth", "generated"), (truth, generated), weights, strict=True):
        if not np.isfinite(values).all():
            raise ValueError(
                f"the features of the {label} events hold NaN or infinity: correct or leave out those events"
            )
        if given is None:
            continue
        if given.shape != (len(values),) or not np.isfinite(given).all() or given.sum() <= 0:
            raise ValueError(
                f"the weights of the {label} events must be one for each of {len(values)} events, finite, with a sum "
                "above 0"
            )


def _calochallenge(
    features: np.ndarray,
    labels: np.ndarray,
    weights: np.ndarray,
    balanced: np.ndarray,
    settings: Perceptron,
    rng: np.random.Generator,
) -> Classification:
    from sklearn.isotonic import IsotonicRegression

    member, quoted = single_split(labels, CALOCHALLENGE_SHARES, rng)
    seed = int(rng.integers(2**31))
    (scores,) = perceptron_scores(features, labels, balanced, [member], seed, settings)
    n_validation = len(labels) - len(member.training) - len(quoted)
    chosen = member.held_out[:n_validation]
    # The ends of an isotonic map are 0 and 1, the odds of which are infinite: half an event keeps them away.
    least = 0.5 / (n_validation + 1)
    isotonic = IsotonicRegression(y_min=least, y_max=1 - least, out_of_bounds="clip")
    isotonic.fit(scores[:n_validation], labels[chosen], sample_weight=balanced[chosen])
    probability = isotonic.predict(scores[n_validation:])
    log_odds = np.log(probability) - np.log1p(-probability)
    return classification_of_one("perceptron", scores[n_validation:], log_odds, quoted, labels, weights)
