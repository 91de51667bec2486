"""A second classifier: trained anew to tell the reweighted source from the target, on events the first never saw."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor

from simulacra.models.event_classifier import EventClassifier
from simulacra.reweighting.classification import ClassificationTrainee
from simulacra.reweighting.members import train_members
from simulacra.reweighting.prior_weights import checked_weights
from simulacra.reweighting.samples import Sample
from simulacra.reweighting.settings import NetworkSettings, ReweighterSettings
from simulacra.training.settings import TrainingSettings

BOOTSTRAPS: Final = 100
#: shares of the events that train, and that choose the checkpoint; the rest are judged
SHARES: Final = (0.5, 0.15)
TRAINING: Final = TrainingSettings(
    steps=400,
    batch_size=512,
    learning_rate=2e-3,
    betas=(0.9, 0.999),
    final_learning_rate=0.01,
    validate_every=80,
    checkpoint_every=400,
    patience=3,
    accelerator="cpu",
)


@dataclass(frozen=True)
class Separation:
    """How well a classifier tells two samples apart: the area under its ROC curve and its bootstrap error."""

    auc: float
    uncertainty: float


def separate(
    source: Sample,
    target: Sample,
    build: Callable[[], EventClassifier],
    representation: EventClassifier,
    network: NetworkSettings,
    run: Path,
    *,
    seed: int,
    progress: bool = False,
) -> Separation:
    """Train a classifier on half of the events and return how well it tells the others apart.

    Parameters
    ----------
    source, target:
        represented events with their weights, those of the source times what reweights them.
    build, representation, network:
        make the classifier, and the settings that it is made from.
    run:
        folder for the training; what was trained there with the same events is taken up.
    seed:
        of the division, the training and the bootstrap.
    """
    rng = np.random.default_rng(seed)
    parts = [_divided(sample, rng) for sample in (source, target)]
    # Of both samples alike, as batches are cut. Nobody chose this size, so nobody has to hear that there are fewer.
    n_events = 2 * max(len(part[0]) for part in parts)
    training = TRAINING.model_copy(update={"batch_size": min(TRAINING.batch_size, n_events)})
    settings = ReweighterSettings(network=network, calibration="none", training=training)
    (classifier,), _ = train_members(
        build,
        representation,
        lambda fresh: ClassificationTrainee(
            fresh, parts[0][0], parts[1][0], (parts[0][1], parts[1][1]), {}, draws=1, average_decay=0.99
        ),
        settings,
        run,
        name="second-classifier",
        seed=seed,
        data="reweighted source and target",
        progress=progress,
    )
    scores, weights = [], []
    with torch.inference_mode():
        for part in parts:
            scores.append(classifier.log_odds(classifier.embed(part[2].inputs)).double().numpy())
            weights.append(part[2].weights)
    return area_with_error(scores[0], scores[1], weights[0], weights[1], rng)


def area_with_error(
    source_scores: np.ndarray,
    target_scores: np.ndarray,
    source_weights: np.ndarray,
    target_weights: np.ndarray,
    rng: np.random.Generator,
) -> Separation:
    """Return the probability that a target event scores above a source event, with Poisson bootstrap error.

    Weights of either sign count as they are.
    """
    # Events of one score stand at one place: half of the source's count as below the target's.
    places = np.unique(np.concatenate([source_scores, target_scores]), return_inverse=True)[1]
    target = np.repeat([False, True], [len(source_scores), len(target_scores)])
    weights = np.concatenate([source_weights, target_weights])
    value = _area(places, weights, target)
    replicas = [_area(places, weights * rng.poisson(1.0, len(weights)), target) for _ in range(BOOTSTRAPS)]
    return Separation(value, float(np.std(replicas, ddof=1)))


def _area(places: np.ndarray, weights: np.ndarray, target: np.ndarray) -> float:
    size = int(places.max()) + 1
    theirs = np.bincount(places[~target], weights[~target], size)
    ours = np.bincount(places[target], weights[target], size)
    return float(ours @ (np.cumsum(theirs) - 0.5 * theirs) / (ours.sum() * theirs.sum()))


def _divided(sample: Sample, rng: np.random.Generator) -> tuple[Sample, Sample, Sample]:
    order = rng.permutation(len(sample))
    first = round(SHARES[0] * len(order))
    second = first + round(SHARES[1] * len(order))
    return taken(sample, order[:first]), taken(sample, order[first:second]), taken(sample, order[second:])


def taken(sample: Sample, rows: np.ndarray) -> Sample:
    """Return some events of a sample."""
    chosen = torch.from_numpy(rows)
    inputs: Mapping[str, Tensor] = {name: tensor[chosen] for name, tensor in sample.inputs.items()}
    return Sample(dict(inputs), sample.weights[rows], sample.theta[rows], sample.index[rows])


def reweighted(sample: Sample, weights: np.ndarray) -> Sample:
    """Return a sample whose events' own weights are multiplied by ``weights``, (N,)."""
    product = checked_weights(sample.weights * weights, len(sample), "reweighted source")
    return Sample(sample.inputs, product, sample.theta, sample.index)
