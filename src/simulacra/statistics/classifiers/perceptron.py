"""Several small multilayer perceptrons, trained together as two-sample classifiers.

They are like the CaloChallenge's (arXiv:2410.21611: leaky ReLU, Adam, the best epoch by a validation sample), with a
width that a CPU trains in seconds. The members of one call (the folds of a cross-validation, times its repetitions) use
batched matrix products, so k folds take hardly longer than one.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from simulacra.statistics.classifiers.adamw import AdamW
from simulacra.statistics.classifiers.members import Member

if TYPE_CHECKING:
    import torch

EVALUATION_BLOCK: Final = 2000
#: memory of the members that are trained together [bytes]; others follow
MOST_BYTES: Final = 2**29


@dataclass(frozen=True)
class Perceptron:
    """Settings of a classifier.

    Attributes
    ----------
    hidden_layers, width:
        number of layers with an activation, and units of each.
    epochs, patience:
        largest number of passes through the training events, and number without a better validation that ends the
        training.
    batch_size, learning_rate, weight_decay:
        of AdamW, which is Adam without decay.
    validation_share:
        of the training events, if a member has no validation events of its own.
    chosen_by:
        criterion for the best epoch: the lowest loss, or the lowest share of misclassified events.
    """

    hidden_layers: int = 2
    width: int = 128
    epochs: int = 30
    patience: int = 6
    batch_size: int = 250
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    validation_share: float = 0.15
    chosen_by: Literal["loss", "accuracy"] = "loss"

    def bytes_per_member(self, n_features: int) -> int:
        """Return the memory that training one member takes: batches, and its first layer with AdamW's averages."""
        return 4 * n_features * (3 * self.batch_size + 4 * self.width)


# arXiv:2410.21611 and its evaluate.py: an input layer and two hidden layers, all of 2048 units; no early stopping. (It
# computes in float64, this in float32.)
CALOCHALLENGE: Final = Perceptron(
    hidden_layers=3,
    width=2048,
    epochs=50,
    patience=50,
    batch_size=1000,
    learning_rate=2e-4,
    weight_decay=0.0,
    chosen_by="accuracy",
)
LARGE_SAMPLES: Final = Perceptron(width=64, epochs=20, patience=3, batch_size=1000, learning_rate=2e-3)


def perceptron_scores(
    features: np.ndarray,
    labels: np.ndarray,
    weights: np.ndarray,
    members: Sequence[Member],
    seed: int,
    settings: Perceptron | None = None,
) -> list[np.ndarray]:
    """Return each member's log-odds of label 1 for its test events, at its best epoch.

    Parameters
    ----------
    features:
        (N, F), finite.
    labels:
        0 or 1, (N,).
    weights:
        weight of each event in the loss, (N,), of either sign, with the mean 1.
    members:
        the training events of each; a member with fewer events than the others uses them several times per epoch.
    seed:
        of the initial weights and the order of the batches.
    """
    import torch

    settings = settings or Perceptron()
    generator = torch.Generator().manual_seed(seed)
    x = torch.from_numpy(np.ascontiguousarray(features, dtype=np.float32))
    y = torch.from_numpy(np.asarray(labels, dtype=np.float32))
    w = torch.from_numpy(np.asarray(weights, dtype=np.float32))
    at_once = max(1, MOST_BYTES // settings.bytes_per_member(x.shape[1]))
    groups = (members[i : i + at_once] for i in range(0, len(members), at_once))
    return [scores for group in groups for scores in _scores_together(x, y, w, group, generator, settings)]


def _scores_together(
    x: torch.Tensor,
    y: torch.Tensor,
    w: torch.Tensor,
    members: Sequence[Member],
    generator: torch.Generator,
    settings: Perceptron,
) -> list[np.ndarray]:
    """Return the log-odds of members that are trained together."""
    import torch
    from torch.nn import functional

    parts = [member.parts(settings.validation_share) for member in members]
    training, validation, held_out = (
        torch.from_numpy(_of_one_length(rows))
        for rows in ([p[0] for p in parts], [p[1] for p in parts], [m.held_out for m in members])
    )
    signed = bool((w < 0).any())

    centre = torch.stack([x[rows].mean(dim=0) for rows in training])[:, None, :]
    scale = torch.stack([x[rows].std(dim=0) for rows in training])[:, None, :]
    scale = torch.where(scale > 1e-6, scale, torch.ones_like(scale))
    block_size = max(1, min(EVALUATION_BLOCK, MOST_BYTES // (12 * x.shape[1] * len(members))))
    widths = [x.shape[1], *[settings.width] * settings.hidden_layers, 1]
    parameters = _initial(len(training), widths, generator)

    def log_odds(rows: torch.Tensor) -> torch.Tensor:
        hidden = (x[rows] - centre) / scale
        for k in range(0, len(parameters) - 2, 2):
            hidden = functional.leaky_relu(torch.baddbmm(parameters[k + 1], hidden, parameters[k]), 0.01)
        return torch.baddbmm(parameters[-1], hidden, parameters[-2]).squeeze(-1)

    def judged(rows: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return torch.cat([log_odds(block) for block in rows.split(block_size, dim=1)], dim=1)

    def loss(log_odds: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        each = functional.binary_cross_entropy_with_logits(log_odds, y[rows], reduction="none")
        return mean(each, rows)

    def mean(each: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        if signed:  # The sum over a batch may be 0; the mean weight of all events is 1.
            return (each * w[rows]).mean(dim=1)
        return (each * w[rows]).sum(dim=1) / w[rows].sum(dim=1).clamp(min=1e-12)

    def judgement() -> np.ndarray:
        found = judged(validation)
        if settings.chosen_by == "accuracy":
            return mean(((found > 0) != (y[validation] > 0.5)).float(), validation).numpy().astype(np.float64)
        return loss(found, validation).numpy().astype(np.float64)

    optimizer = AdamW(parameters, settings.learning_rate, settings.weight_decay)
    best = np.full(len(training), np.inf)
    stale = np.zeros(len(training), dtype=np.int64)
    scores = [np.zeros(len(member.held_out)) for member in members]
    n_training = training.shape[1]
    batch = min(settings.batch_size, n_training)
    for _ in range(settings.epochs):
        order = torch.argsort(torch.rand(training.shape, generator=generator), dim=1)
        shuffled = torch.gather(training, 1, order)
        for start in range(0, n_training - batch + 1, batch):
            optimizer.zero_grad()
            rows = shuffled[:, start : start + batch]
            loss(log_odds(rows), rows).sum().backward()
            optimizer.step()
        current = judgement()
        better = (current < best) & (stale < settings.patience)
        best, stale = np.where(better, current, best), np.where(better, 0, stale + 1)
        if better.any():
            latest = judged(held_out).numpy()
            for member in np.flatnonzero(better):
                scores[member] = latest[member, : len(scores[member])].astype(np.float64)
        if (stale >= settings.patience).all():
            break
    return scores


def _of_one_length(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Return rows, repeated to the number of the member with most, (K, n), for batched products."""
    longest = max(map(len, rows))
    return np.stack([np.resize(some, longest) for some in rows])


def _initial(members: int, widths: Sequence[int], generator: torch.Generator) -> list[torch.Tensor]:
    import torch

    parameters = []
    for fan_in, fan_out in itertools.pairwise(widths):
        bound = fan_in**-0.5
        for shape in ((members, fan_in, fan_out), (members, 1, fan_out)):
            values = (torch.rand(shape, generator=generator) * 2 - 1) * bound
            parameters.append(values.requires_grad_())
    return parameters
