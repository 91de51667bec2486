"""Deep sets as two-sample classifiers, which see all particles of an event.

A particle flow network (see :mod:`simulacra.networks.deep_sets`) summarises an event's particles; the conditions are
added to the summary before the last layers. The members of the two-sample test are trained one after the other, each
until its validation loss no longer decreases.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from simulacra.statistics.classifiers.adamw import AdamW
from simulacra.statistics.classifiers.classification import Classification, classification_of
from simulacra.statistics.classifiers.classifier import check_samples, labelled
from simulacra.statistics.classifiers.members import Member, cross_validation

if TYPE_CHECKING:
    import torch

EVALUATION_BLOCK: Final = 1000
# Small samples have smaller batches: with one or two steps per epoch the network learns nothing.
FEWEST_STEPS: Final = 20


@dataclass(frozen=True)
class DeepSets:
    """Settings of a deep-sets classifier.

    Attributes
    ----------
    particle_widths, event_widths, summary:
        of the particle flow network.
    epochs, patience:
        largest number of passes through the training events, and number without a better validation that ends the
        training.
    batch_size, learning_rate, weight_decay:
        of AdamW; a small sample's batches are smaller.
    validation_share:
        of the training events.
    folds, repetitions:
        number of folds, and of repetitions with other folds.
    """

    particle_widths: tuple[int, ...] = (64, 64)
    event_widths: tuple[int, ...] = (64,)
    summary: int = 32
    epochs: int = 20
    patience: int = 4
    batch_size: int = 250
    learning_rate: float = 2e-3
    weight_decay: float = 1e-3
    validation_share: float = 0.15
    folds: int = 5
    repetitions: int = 1


def classify_clouds(
    truth: tuple[np.ndarray, np.ndarray],
    generated: tuple[np.ndarray, np.ndarray],
    *,
    truth_conditions: np.ndarray | None = None,
    generated_conditions: np.ndarray | None = None,
    truth_weights: np.ndarray | None = None,
    generated_weights: np.ndarray | None = None,
    settings: DeepSets | None = None,
    seed: int = 0,
    paired: bool = False,
) -> Classification:
    """Train deep sets and return how well they tell generated clouds of particles from truth.

    Parameters
    ----------
    truth, generated:
        features of the particles, (N, P, F) and (M, Q, F), and whether there is a particle, (N, P) and (M, Q).
    truth_conditions, generated_conditions:
        conditions of each event, (N, C) and (M, C), also inputs of the network.
    truth_weights, generated_weights:
        non-negative weight of each event, (N,) and (M,).
    seed:
        of the folds, the initial weights and the order of the batches.
    paired:
        as in :func:`~simulacra.statistics.classifiers.classifier.classify`.

    Raises
    ------
    ValueError
        if there are too few events, the shapes do not fit, or a number is not finite.
    """
    settings = settings or DeepSets()
    n, m = len(truth[1]), len(generated[1])
    width = max(truth[1].shape[1], generated[1].shape[1])
    (first, here), (second, there) = _widened(truth, width), _widened(generated, width)
    check_samples(first, second, (truth_weights, generated_weights))
    conditions = _conditions((truth_conditions, n), (generated_conditions, m))
    labels, weights, balanced = labelled(n, m, truth_weights, generated_weights)
    rng = np.random.default_rng(seed)
    plan = cross_validation(labels, settings.folds, settings.repetitions, rng, paired=paired)
    clouds = _Clouds.of(np.concatenate([first, second]), np.concatenate([here, there]), conditions)
    scores = [_trained(clouds, labels, balanced, member, settings, int(rng.integers(2**31))) for member in plan.members]
    return classification_of("deep_sets", plan, scores, labels, weights)


@dataclass(frozen=True)
class _Clouds:
    """Standardised events: features (N, P, F), whether there is a particle (N, P), and conditions (N, C)."""

    features: torch.Tensor
    present: torch.Tensor
    conditions: torch.Tensor

    @classmethod
    def of(cls, features: np.ndarray, present: np.ndarray, conditions: np.ndarray) -> _Clouds:
        """Standardise by both samples together, independently of the labels."""
        import torch

        particles = features[present].astype(np.float64)
        if not len(particles):
            raise ValueError("these events have no particles")
        centre, spread = particles.mean(axis=0), particles.std(axis=0)
        scaled = (features - centre) / np.where(spread > 0, spread, 1.0) * present[..., None]
        # Sums over particles are rounded; the number of particles is therefore a feature of its own, which is exact.
        numbers = np.column_stack([conditions, present.sum(axis=1)]).astype(np.float64)
        spread = numbers.std(axis=0)
        numbers = (numbers - numbers.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
        return cls(
            torch.from_numpy(scaled.astype(np.float32)),
            torch.from_numpy(present.astype(np.uint8)),
            torch.from_numpy(numbers.astype(np.float32)),
        )


def _trained(
    clouds: _Clouds, labels: np.ndarray, weights: np.ndarray, member: Member, settings: DeepSets, seed: int
) -> np.ndarray:
    """Return one member's log-odds of its test events, at its best epoch."""
    import torch
    from torch import nn
    from torch.nn import functional

    from simulacra.networks.deep_sets import ParticleFlowNetwork, perceptron

    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        # Layers draw their first weights from the global state, which is restored afterwards.
        torch.manual_seed(seed)
        body = ParticleFlowNetwork(
            clouds.features.shape[2],
            2,
            particle_widths=settings.particle_widths,
            event_widths=settings.event_widths,
            summary=settings.summary,
            typical_number=float(clouds.present.sum()) / len(clouds.present),
        )
        head = perceptron([settings.summary + clouds.conditions.shape[1], settings.summary, 1])
    network = nn.ModuleList([body, head])
    y = torch.from_numpy(labels.astype(np.float32))
    w = torch.from_numpy(weights.astype(np.float32))
    training, validation = (torch.from_numpy(rows) for rows in member.parts(settings.validation_share))
    held_out = torch.from_numpy(member.held_out)

    def log_odds(rows: torch.Tensor) -> torch.Tensor:
        summary = body(clouds.features[rows], clouds.present[rows])
        found: torch.Tensor = head(torch.cat([summary, clouds.conditions[rows]], dim=1)).squeeze(-1)
        return found

    def judged(rows: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return torch.cat([log_odds(block) for block in rows.split(EVALUATION_BLOCK)])

    def loss(found: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        each = functional.binary_cross_entropy_with_logits(found, y[rows], reduction="none")
        return (each * w[rows]).sum() / w[rows].sum().clamp(min=1e-12)

    optimizer = AdamW(network.parameters(), settings.learning_rate, settings.weight_decay)
    batch = min(settings.batch_size, max(1, len(training) // FEWEST_STEPS))
    best, stale, scores = np.inf, 0, np.zeros(len(member.held_out))
    for _ in range(settings.epochs):
        order = training[torch.randperm(len(training), generator=generator)]
        for start in range(0, len(order) - batch + 1, batch):
            optimizer.zero_grad()
            rows = order[start : start + batch]
            loss(log_odds(rows), rows).backward()
            optimizer.step()
        current = float(loss(judged(validation), validation))
        stale += 1
        if current < best:
            best, stale, scores = current, 0, judged(held_out).numpy().astype(np.float64)
        if stale >= settings.patience:
            break
    return scores


def _widened(cloud: tuple[np.ndarray, np.ndarray], width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return features, 0 for absent particles, and the mask, for ``width`` particles."""
    features, present = np.asarray(cloud[0], dtype=np.float32), np.asarray(cloud[1], dtype=bool)
    if features.ndim != 3 or features.shape[:2] != present.shape:
        raise ValueError(
            f"a cloud's features have the shape {features.shape} and its mask {present.shape}: give (events, "
            "particles, features) and (events, particles)"
        )
    more = width - present.shape[1]
    features = np.where(present[..., None], features, np.float32(0))
    return np.pad(features, ((0, 0), (0, more), (0, 0))), np.pad(present, ((0, 0), (0, more)))


def _conditions(truth: tuple[np.ndarray | None, int], generated: tuple[np.ndarray | None, int]) -> np.ndarray:
    tables = [
        np.empty((n, 0)) if given is None else np.asarray(given, dtype=np.float64) for given, n in (truth, generated)
    ]
    for table, (_, n), label in zip(tables, (truth, generated), ("truth", "generated"), strict=True):
        if table.ndim != 2 or len(table) != n or table.shape[1] != tables[0].shape[1] or not np.isfinite(table).all():
            raise ValueError(
                f"the conditions of the {label} events have the shape {table.shape}: give ({n}, conditions), "
                "as many for both samples, all finite"
            )
    return np.concatenate(tables)
