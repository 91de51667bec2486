"""Several small multilayer perceptrons, trained side by side as two-sample classifiers.

The kind is the CaloChallenge's (arXiv:2410.21611: two hidden layers, leaky ReLU, Adam, the best epoch by a validation
sample), its width one that a CPU trains in seconds. The members of one call (the folds of a cross-validation, times its
repetitions) go through batched matrix products, so that k folds cost hardly more than one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    import torch

EVALUATION_BLOCK: Final = 2000


@dataclass(frozen=True)
class Perceptron:
    """Settings of a classifier with two hidden layers."""

    width: int = 128
    epochs: int = 30
    patience: int = 6
    batch_size: int = 250
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    validation_share: float = 0.15


def perceptron_scores(
    features: np.ndarray,
    labels: np.ndarray,
    weights: np.ndarray,
    folds: np.ndarray,
    *,
    seed: int,
    settings: Perceptron | None = None,
) -> np.ndarray:
    """Return the out-of-fold log-odds of label 1.

    Parameters
    ----------
    features:
        (N, F), finite.
    labels:
        0 or 1, (N,).
    weights:
        non-negative weight of each event in the loss, (N,).
    folds:
        number of the fold of each event in each repetition, (R, N); a member is trained for each fold of each
        repetition on the events outside it.
    seed:
        of the initial weights, the order of the batches and the validation samples.

    Returns
    -------
    numpy.ndarray
        (R, N).
    """
    import torch
    from torch.nn import functional

    settings = settings or Perceptron()
    rng = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    members = _members(folds, settings.validation_share, rng)
    training, validation, held_out = (
        torch.from_numpy(a) for a in (members.training, members.validation, members.held_out)
    )
    x = torch.from_numpy(np.ascontiguousarray(features, dtype=np.float32))
    y = torch.from_numpy(np.asarray(labels, dtype=np.float32))
    w = torch.from_numpy(np.asarray(weights, dtype=np.float32))

    mean = torch.stack([x[rows].mean(dim=0) for rows in training])[:, None, :]
    scale = torch.stack([x[rows].std(dim=0) for rows in training])[:, None, :]
    scale = torch.where(scale > 1e-6, scale, torch.ones_like(scale))
    parameters = _initial(len(training), x.shape[1], settings.width, generator)

    def log_odds(rows: torch.Tensor) -> torch.Tensor:
        hidden = (x[rows] - mean) / scale
        for k in (0, 2):
            hidden = functional.leaky_relu(torch.baddbmm(parameters[k + 1], hidden, parameters[k]), 0.01)
        return torch.baddbmm(parameters[5], hidden, parameters[4]).squeeze(-1)

    def judged(rows: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return torch.cat([log_odds(block) for block in rows.split(EVALUATION_BLOCK, dim=1)], dim=1)

    def loss(log_odds: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        each = functional.binary_cross_entropy_with_logits(log_odds, y[rows], reduction="none")
        return (each * w[rows]).sum(dim=1) / w[rows].sum(dim=1)

    optimizer = torch.optim.AdamW(parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay)
    best = np.full(len(training), np.inf)
    stale = np.zeros(len(training), dtype=np.int64)
    scores = np.zeros(folds.shape, dtype=np.float64)
    n_training = training.shape[1]
    batch = min(settings.batch_size, n_training)
    for _ in range(settings.epochs):
        order = torch.argsort(torch.rand(training.shape, generator=generator), dim=1)
        shuffled = torch.gather(training, 1, order)
        for start in range(0, n_training - batch + 1, batch):
            optimizer.zero_grad(set_to_none=True)
            rows = shuffled[:, start : start + batch]
            loss(log_odds(rows), rows).sum().backward()
            optimizer.step()
        current = loss(judged(validation), validation).numpy().astype(np.float64)
        better = (current < best) & (stale < settings.patience)
        best, stale = np.where(better, current, best), np.where(better, 0, stale + 1)
        if better.any():
            latest = judged(held_out).numpy()
            for member in np.flatnonzero(better):
                of_member = members.held_out[member, : members.sizes[member]]
                scores[members.repetition[member], of_member] = latest[member, : len(of_member)]
        if (stale >= settings.patience).all():
            break
    return scores


@dataclass(frozen=True)
class _Members:
    """The rows of each member: (K, n) each; ``held_out`` is padded with row 0 beyond ``sizes``."""

    training: np.ndarray
    validation: np.ndarray
    held_out: np.ndarray
    sizes: np.ndarray
    repetition: np.ndarray


def _members(folds: np.ndarray, validation_share: float, rng: np.random.Generator) -> _Members:
    training, held_out, repetition = [], [], []
    for number, row in enumerate(folds):
        for fold in range(int(row.max()) + 1):
            training.append(rng.permutation(np.flatnonzero(row != fold)))
            held_out.append(np.flatnonzero(row == fold))
            repetition.append(number)
    # Batched products need members of equal size: the folds differ by an event or two.
    smallest = min(map(len, training))
    rows = np.stack([member[:smallest] for member in training])
    n_validation = max(1, round(validation_share * smallest))
    padded = np.zeros((len(held_out), max(map(len, held_out))), dtype=np.int64)
    for member, left_out in enumerate(held_out):
        padded[member, : len(left_out)] = left_out
    return _Members(
        rows[:, n_validation:],
        rows[:, :n_validation],
        padded,
        np.array([len(h) for h in held_out]),
        np.array(repetition),
    )


def _initial(members: int, inputs: int, width: int, generator: torch.Generator) -> list[torch.Tensor]:
    import torch

    parameters = []
    for fan_in, fan_out in ((inputs, width), (width, width), (width, 1)):
        bound = fan_in**-0.5
        for shape in ((members, fan_in, fan_out), (members, 1, fan_out)):
            values = (torch.rand(shape, generator=generator) * 2 - 1) * bound
            parameters.append(values.requires_grad_())
    return parameters
