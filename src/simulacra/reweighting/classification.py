r"""Training a classifier to separate target and source, so that its odds are the ratio of their densities.

With f the probability of "target", the loss :math:`-\sum_{target} w \log f - \sum_{source} w \log(1 - f)`, with equal
sums of weights for both classes, has its minimum at :math:`f/(1-f) = p_{target}/p_{source}` (arXiv:1907.08209, section
2). It is linear in the events' own weights, so these may have either sign.

For a classifier that is continuous in parameters, target events have the parameters that they were made with. Source
events get parameters and weights of randomly drawn target events. Both classes then have the same distribution of
parameters, and :math:`f/(1-f) = p(x|\theta)/p(x|\theta_0)`.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import torch
import xarray as xr
from torch import Tensor, nn
from torch.nn import functional

from simulacra.models.event_classifier import EventClassifier
from simulacra.reweighting.represented import Represented, join_inputs
from simulacra.statistics.validation import Validation
from simulacra.training.checkpoint import data_hash

VALIDATION_SEED: Final = 5
VALIDATION_REPLICATES: Final = 100
VALIDATION_BLOCKS: Final = 200


class Classification(nn.Module):
    """The classifier and its loss; ``average`` is the moving average of its weights.

    Parameters
    ----------
    classifier:
        the network in training.
    average_decay:
        decay of the moving average.
    """

    def __init__(self, classifier: EventClassifier, average_decay: float) -> None:
        super().__init__()
        self.classifier = classifier
        self.average = copy.deepcopy(classifier).requires_grad_(False).eval()
        self.average_decay = average_decay

    def players(self) -> dict[str, nn.Module]:
        """Return the module to be optimised."""
        return {"classifier": self.classifier}

    def forward(
        self, player: str, batch: Mapping[str, Tensor], step: int, rng: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss on a batch (see :func:`loss`)."""
        del player, step, rng
        summary = self.classifier.network(batch)
        return loss(self.classifier, summary, batch), {}

    @torch.no_grad()
    def after_step(self, step: int) -> None:
        """Update the moving average; its decay is faster early in training."""
        decay = min(self.average_decay, (1 + step) / (10 + step))
        for mean, now in zip(self.average.parameters(), self.classifier.parameters(), strict=True):
            mean.lerp_(now, 1.0 - decay)


def loss(classifier: EventClassifier, summary: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
    """Return the weighted cross entropy of a batch with equal weight for both classes, a scalar.

    ``batch`` has ``label`` (N,) and ``weight`` (N,) with mean 1 in each class. With parameters it also has ``theta``
    (N, D, P), the same D times for a target event and D drawn ones for a source event, and ``theta_weight`` (N, D), the
    weights of the target events that they were drawn from.
    """
    target = batch["label"] > 0
    total = summary.new_zeros(())
    for chosen, sign in ((target, -1.0), (~target, 1.0)):
        count = chosen.sum().clamp(min=1)
        if classifier.parameter_names:
            theta = batch["theta"][chosen]
            # A target event has one theta: copies would only cost time.
            theta = theta[:, :1] if sign < 0 else theta
            rows = summary[chosen][:, None].expand(-1, theta.shape[1], -1)
            each = functional.softplus(sign * classifier.log_odds(rows, theta))
            each = (each if sign < 0 else each * batch["theta_weight"][chosen]).mean(dim=1)
        else:
            each = functional.softplus(sign * classifier.log_odds(summary[chosen]))
        total = total + 0.5 * (each * batch["weight"][chosen]).sum() / count
    return total


class ClassificationTrainee:
    """Two samples and a classifier, as the training loop takes them.

    An epoch has the same number of events of both classes: those of the smaller sample are repeated.
    """

    def __init__(
        self,
        classifier: EventClassifier,
        source: Represented,
        target: Represented,
        held_out: tuple[Represented, Represented],
        description: Mapping[str, Any],
        *,
        draws: int,
        average_decay: float,
    ) -> None:
        self.family = Classification(classifier, average_decay)
        self.description = dict(description)
        self.draws = draws
        self._samples = (source, target)
        self._held_out = held_out
        self._weights = tuple(
            torch.from_numpy((sample.weights / sample.weights.mean()).astype(np.float32)) for sample in self._samples
        )
        self._theta = torch.from_numpy(target.theta)

    def tensors(self, events: xr.Dataset) -> dict[str, Tensor]:
        """Return ``label`` and ``row`` (N,) of a whole pass, and ``data``, the hash of the events."""
        del events
        n = max(map(len, self._samples))
        rows, labels = [], []
        for label, sample in enumerate(self._samples):
            rows.append(torch.arange(n) % len(sample))
            labels.append(torch.full((n,), label))
        held: dict[str, Tensor] = {"theta": self._theta}
        for label, sample in enumerate(self._samples):
            held |= {f"{label}/{name}": tensor for name, tensor in sample.inputs.items()}
            held[f"{label}/weight"] = self._weights[label]
        digest = int(data_hash(held)[:15], 16)
        return {"row": torch.cat(rows), "label": torch.cat(labels), "data": torch.full((2 * n,), digest)}

    def augment(self, batch: Mapping[str, Tensor], rng: torch.Generator) -> dict[str, Tensor]:
        """Return the events of these rows, with drawn parameters for those of the source."""
        device = batch["row"].device
        row, label = batch["row"].cpu(), batch["label"].cpu()
        chosen = [row[label == k] for k in (0, 1)]
        taken = join_inputs(
            [
                {name: tensor[rows] for name, tensor in sample.inputs.items()}
                for sample, rows in zip(self._samples, chosen, strict=True)
            ]
        )
        taken["weight"] = torch.cat([w[rows] for w, rows in zip(self._weights, chosen, strict=True)])
        taken["label"] = torch.repeat_interleave(torch.tensor([0, 1]), torch.tensor([len(rows) for rows in chosen]))
        if self._theta.shape[1]:
            drawn = torch.randint(len(self._theta), (len(chosen[0]), self.draws), generator=rng)
            own = self._theta[chosen[1]][:, None].expand(-1, self.draws, -1)
            taken["theta"] = torch.cat([self._theta[drawn], own])
            taken["theta_weight"] = torch.cat([self._weights[1][drawn], torch.ones(own.shape[:2])])
        return {name: tensor.to(device) for name, tensor in taken.items()}

    def validate(self, events: xr.Dataset, rng: torch.Generator) -> Validation:
        """Return the loss on the validation part, with bootstrap replicates of its events.

        Source events have the same drawn parameters each time.
        """
        del events, rng
        device = next(self.family.average.parameters()).device
        draw = torch.Generator().manual_seed(VALIDATION_SEED)
        average, score = self.family.average, 0.0
        replicates = np.zeros(VALIDATION_REPLICATES)
        theta = torch.from_numpy(self._held_out[1].theta)
        with torch.inference_mode():
            own = [torch.from_numpy(sample.weights / sample.weights.mean()) for sample in self._held_out]
            for label, sample in enumerate(self._held_out):
                losses = []
                block = average.network.block
                for start in range(0, len(sample), block):
                    rows = slice(start, start + block)
                    batch = {name: tensor[rows].to(device) for name, tensor in sample.inputs.items()}
                    weights = own[label][rows]
                    at = None
                    if theta.shape[1] and label:
                        at = theta[rows]
                    elif theta.shape[1]:
                        drawn = torch.randint(len(theta), (len(weights),), generator=draw)
                        at, weights = theta[drawn], weights * own[1][drawn]
                    odds = average(batch, None if at is None else at.to(device)).cpu().double()
                    losses.append((functional.softplus(-odds if label else odds) * weights).numpy())
                each = np.concatenate(losses)
                score += 0.5 * float(each.mean())
                replicates += 0.5 * _means(each, np.random.default_rng([VALIDATION_SEED, label]))
        return Validation({"score": score}, tuple(replicates.tolist()))


def _means(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return means of bootstrap replicates, (R,), with the same draws for each set of values of one length."""
    blocks = min(len(values), VALIDATION_BLOCKS)
    place = np.arange(len(values)) % blocks
    sums, counts = np.bincount(place, values), np.bincount(place)
    drawn = rng.multinomial(blocks, np.full(blocks, 1 / blocks), VALIDATION_REPLICATES)
    return np.asarray((drawn @ sums) / (drawn @ counts))
