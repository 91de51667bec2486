"""A second classifier, trained to separate the reweighted source and the target on events unused by the first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor

from simulacra.models.event_classifier import EventClassifier
from simulacra.reweighting.classification import ClassificationTrainee
from simulacra.reweighting.members import train_members
from simulacra.reweighting.prior_weights import checked_weights
from simulacra.reweighting.represented import Represented
from simulacra.reweighting.settings import NetworkSettings, ReweighterSettings
from simulacra.statistics.classifiers.ranks import Area, area_of
from simulacra.training.settings import TrainingSettings

#: shares of the events for training, and for choosing the checkpoint; the rest are judged
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


def separate(
    source: Represented,
    target: Represented,
    build: Callable[[], EventClassifier],
    representation: EventClassifier,
    network: NetworkSettings,
    run: Path,
    *,
    seed: int,
    progress: bool = False,
) -> Area:
    """Train a classifier on half of the events and return how well it separates the others.

    Parameters
    ----------
    source, target:
        represented events with their weights; those of the source are already reweighted.
    build, representation, network:
        what the classifier is made from, and its settings.
    run:
        folder for the training; a training found there with the same events is continued.
    seed:
        of the division and the training.
    """
    rng = np.random.default_rng(seed)
    parts = [_divided(sample, rng) for sample in (source, target)]
    # Batches have as many events of each sample. The size is not the user's choice, so no warning if there are fewer.
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
    with torch.inference_mode():
        scores = [classifier.log_odds(classifier.embed(part[2].inputs)).double().numpy() for part in parts]
    return area_between(scores, [part[2].weights for part in parts])


def area_between(scores: Sequence[np.ndarray], weights: Sequence[np.ndarray]) -> Area:
    """Return the probability that a target event has a higher score than a source event, and its error.

    Parameters
    ----------
    scores, weights:
        of source and target events, (N,) and (M,); weights may have either sign.
    """
    labels = np.repeat([0, 1], [len(part) for part in scores])
    return area_of(np.concatenate(scores), labels, np.concatenate(weights))


def _divided(sample: Represented, rng: np.random.Generator) -> tuple[Represented, Represented, Represented]:
    order = rng.permutation(len(sample))
    first = round(SHARES[0] * len(order))
    second = first + round(SHARES[1] * len(order))
    return taken(sample, order[:first]), taken(sample, order[first:second]), taken(sample, order[second:])


def taken(sample: Represented, rows: np.ndarray) -> Represented:
    """Return some events of a sample."""
    chosen = torch.from_numpy(rows)
    inputs: Mapping[str, Tensor] = {name: tensor[chosen] for name, tensor in sample.inputs.items()}
    return Represented(dict(inputs), sample.weights[rows], sample.theta[rows], sample.index[rows])


def reweighted(sample: Represented, weights: np.ndarray) -> Represented:
    """Return a sample whose events' own weights are multiplied by ``weights``, (N,)."""
    product = checked_weights(sample.weights * weights, len(sample), "reweighted source")
    return Represented(sample.inputs, product, sample.theta, sample.index)
