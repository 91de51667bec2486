r"""A classifier at one level, trained with weights from another: the one-classifier form of SRGN (arXiv:2010.03569).

Events are simulated once, at :math:`\theta_0`, at two levels: particles, :math:`x_P`, and after the detector,
:math:`x_D`. The particle-level ratio :math:`w(x_P, \theta)` gives the simulation at any :math:`\theta` at detector
level too, without a new detector simulation, and the loss

.. math:: L = \Big\langle w(x_P, \theta)\, \log(1 + e^{-l(x_D, \theta)}) + \log(1 + e^{l(x_D, \theta)}) \Big\rangle

over events and drawn :math:`\theta` has its minimum where :math:`l` is the detector-level
:math:`\log p(x_D|\theta)/p(x_D|\theta_0)`, the logarithm of the mean of :math:`w` given :math:`x_D`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import xarray as xr
from torch import Tensor, nn
from torch.nn import functional

from simulacra.events import Part
from simulacra.models.event_classifier import EventClassifier
from simulacra.reweighting.classification import Classification
from simulacra.reweighting.members import train_members
from simulacra.reweighting.represented import (
    BLOCK,
    Represented,
    SampleError,
    blocks_of,
    refuse_too_few,
    represent,
    settings_of,
    tensors_of,
)
from simulacra.reweighting.reweighter import Embedded, Reweighter, build
from simulacra.reweighting.settings import ReweighterSettings
from simulacra.training import checkpoint

VALIDATION_SEED: Final = 6


class TransferTrainee:
    """Events at both levels and a classifier of detector-level events, for the training loop.

    Parameters
    ----------
    classifier:
        of detector-level events, continuous in the parameters.
    detector, particle:
        the same training events at both levels; those at particle level embedded by ``ratio``.
    held_out:
        the same for validation.
    ratio:
        the particle-level reweighter.
    draws:
        number of parameter values drawn for each event of a batch, uniformly in the trained box.
    """

    def __init__(
        self,
        classifier: EventClassifier,
        detector: Represented,
        particle: Embedded,
        held_out: tuple[Represented, Embedded],
        ratio: Reweighter,
        description: Mapping[str, Any],
        *,
        draws: int,
        average_decay: float,
    ) -> None:
        self.family = TransferredClassification(classifier, average_decay)
        self.description = dict(description)
        self.draws = draws
        self._detector, self._particle, self._held_out = detector, particle, held_out
        self._ratios = ratio.ratios()
        self._low, self._high = classifier.low.clone(), classifier.high.clone()
        self._own = torch.from_numpy((detector.weights / detector.weights.mean()).astype(np.float32))

    def tensors(self, events: xr.Dataset) -> dict[str, Tensor]:
        """Return ``row`` (N,) and ``data``, the hash of the events."""
        del events
        n = len(self._detector)
        held = dict(self._detector.inputs) | {"own": self._own}
        held |= {f"particle/{k}": z for k, z in enumerate(self._particle.summaries)}
        digest = int(checkpoint.data_hash(held)[:15], 16)
        return {"row": torch.arange(n), "data": torch.full((n,), digest)}

    def augment(self, batch: Mapping[str, Tensor], rng: torch.Generator) -> dict[str, Tensor]:
        """Return the events of these rows, with drawn parameters and their particle-level weights."""
        rows = batch["row"].cpu()
        theta = self._drawn(len(rows), self.draws, rng)
        taken = {name: tensor[rows] for name, tensor in self._detector.inputs.items()}
        taken |= {
            "theta": theta,
            "ratio": self._ratio([z[rows] for z in self._particle.summaries], theta),
            "weight": self._own[rows],
        }
        return {name: tensor.to(batch["row"].device) for name, tensor in taken.items()}

    def validate(self, events: xr.Dataset, rng: torch.Generator) -> dict[str, float]:
        """Return the loss on the validation part, with the same drawn parameters each time."""
        del events, rng
        sample, particle = self._held_out
        device = next(self.family.average.parameters()).device
        draw = torch.Generator().manual_seed(VALIDATION_SEED)
        own = torch.from_numpy(sample.weights / sample.weights.mean())
        total = 0.0
        with torch.inference_mode():
            block = self.family.average.network.block
            for start in range(0, len(sample), block):
                rows = slice(start, start + block)
                theta = self._drawn(len(own[rows]), self.draws, draw)
                batch = {name: tensor[rows].to(device) for name, tensor in sample.inputs.items()}
                batch |= {"theta": theta.to(device), "weight": own[rows].to(device)}
                batch["ratio"] = self._ratio([z[rows] for z in particle.summaries], theta).to(device)
                total += float(loss(self.family.average, batch)) * len(own[rows])
        return {"score": total / len(sample)}

    def _drawn(self, n: int, draws: int, rng: torch.Generator) -> Tensor:
        return self._low + (self._high - self._low) * torch.rand(n, draws, len(self._low), generator=rng)

    @torch.no_grad()
    def _ratio(self, summaries: list[Tensor], theta: Tensor) -> Tensor:
        """Return the particle-level ratios, (N, draws), of summaries (N, S) per member and parameters (N, draws, P)."""
        rows = [
            ratio(z[:, None].expand(-1, theta.shape[1], -1), theta)
            for ratio, z in zip(self._ratios, summaries, strict=True)
        ]
        return torch.exp(torch.stack(rows).mean(dim=0))


class TransferredClassification(Classification):
    """The classifier of a transfer: its loss takes both classes from the same events."""

    def forward(
        self, player: str, batch: Mapping[str, Tensor], step: int, rng: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss on a batch (see :func:`loss`)."""
        del player, step, rng
        return loss(self.classifier, batch), {}


def loss(classifier: nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
    """Return half the loss above for ``theta`` (N, D, P), ``ratio`` (N, D), ``weight`` (N,) and the inputs."""
    if not isinstance(classifier, EventClassifier):
        raise TypeError(f"a classifier of events is needed, not {type(classifier).__name__}")
    theta = batch["theta"]
    summary = classifier.network(batch)[:, None].expand(-1, theta.shape[1], -1)
    odds = classifier.log_odds(summary, theta)
    each = (batch["ratio"] * functional.softplus(-odds) + functional.softplus(odds)).mean(dim=1)
    return 0.5 * (each * batch["weight"]).mean()


def fit_transferred(
    detector: xr.Dataset,
    particle: xr.Dataset,
    ratio: Reweighter,
    settings: ReweighterSettings,
    run: Path,
    *,
    name: str = "detector-level",
    seed: int = 1,
    progress: bool = True,
) -> Reweighter:
    """Train a detector-level log ratio, continuous in the particle-level reweighter's parameters.

    Parameters
    ----------
    detector, particle:
        the same events at both levels, simulated at the source's parameters; paired by their index.
    ratio:
        the particle-level reweighter, with the parameters ``settings.parameters``.
    run:
        folder for the members' runs and ``reweighter.safetensors``; a killed run continues.

    Raises
    ------
    SampleError
        if the events or the parameters differ.
    """
    if not ratio.bounds:
        raise SampleError(f"the particle-level reweighter '{ratio.name}' has one fixed target: it has no parameters")
    if settings.parameters != tuple(ratio.bounds):
        raise SampleError(
            f"the particle-level reweighter '{ratio.name}' has the parameters {list(ratio.bounds)}, the settings "
            f"have {list(settings.parameters)}: give the same"
        )
    if settings.calibration != "none":
        raise SampleError(
            "a detector-level ratio is not calibrated, because its weights come from particle level: set calibration "
            f"= 'none', not '{settings.calibration}'"
        )
    refuse_too_few(detector, "the detector-level sample")
    if not np.array_equal(detector["event"].values, particle["event"].values):
        raise SampleError(
            f"the detector-level events ({detector.sizes['event']}) are not the particle-level ones "
            f"({particle.sizes['event']}) in the same order: simulate the detector on the particles' store"
        )
    description: dict[str, Any] = {
        "source": settings_of(detector),
        "target": settings_of(detector) | {"weights": f"{ratio.name}, {ratio.sha256}"},
        "bounds": ratio.bounds,
        "reference": ratio.reference,
        **settings.network.describe(detector),
        "warnings": [],
    }
    torch.manual_seed(seed)
    first = build(settings, description)
    head = next(iter(blocks_of(detector, first.network.variables, "train", most=BLOCK)))
    first.network.fit(tensors_of(head, first.network.variables, "the detector-level sample"))
    parts: tuple[Part, Part] = ("train", "validation")
    levels = [
        (
            represent(detector, first.network, part=part, label="the detector-level sample", show=progress),
            ratio.embed(particle, part=part, label="the particle-level sample", show=progress),
        )
        for part in parts
    ]
    members, records = train_members(
        lambda: build(settings, description),
        first,
        lambda classifier: TransferTrainee(
            classifier,
            *levels[0],
            levels[1],
            ratio,
            description,
            draws=settings.draws,
            average_decay=settings.average_decay,
        ),
        settings,
        run,
        name=name,
        seed=seed,
        data="detector and particle level",
        progress=progress,
    )
    reweighter = Reweighter(name, settings, description, members, None, records)
    reweighter.save(run / "reweighter.safetensors")
    return reweighter
