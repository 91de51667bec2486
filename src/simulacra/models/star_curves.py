"""Curves of variable stars, given period, luminosity, amplitude, colour and class: a conditional autoencoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from simulacra.generators.flow import SplineFlow
from simulacra.networks.light_curves import Architecture, CurveAutoencoder
from simulacra.observables.light_curves import CLASSES, CONDITIONS

#: conditions whose logarithm the networks are told
LOGARITHMIC = ("period", "amplitude")
#: beyond this many standard deviations of the training sample a condition says no more
FARTHEST = 10.0


class StarCurves(nn.Module):
    """Map noise and conditions to a cycle of a star: the module of a checkpoint and of an ONNX file.

    A curve is the mean magnitude and, times the amplitude, what the decoder makes of a code. Codes are those that a
    conditional flow makes of noise, which learned the codes of the training stars: those of an autoencoder need not be
    normal at given conditions.

    Parameters
    ----------
    conditions:
        names of the conditions, in the order of the columns.
    observations:
        of a star that training looks at, drawn anew at each step.
    code, points, width, blocks, architecture:
        of :class:`~simulacra.networks.light_curves.CurveAutoencoder`.
    """

    centre: Tensor
    scale: Tensor
    phase: Tensor

    def __init__(
        self,
        conditions: Sequence[str],
        *,
        observations: int,
        code: int,
        points: int,
        width: int,
        blocks: int,
        architecture: Architecture,
    ) -> None:
        super().__init__()
        self.conditions, self.observations = tuple(conditions), observations
        self.numbers = [i for i, name in enumerate(self.conditions) if CONDITIONS[name].kind != "choice"]
        self.choices = [i for i, name in enumerate(self.conditions) if CONDITIONS[name].kind == "choice"]
        self.mean, self.amplitude, self.period = (
            self.conditions.index(name) for name in ("mean_magnitude", "amplitude", "period")
        )
        context = len(self.numbers) + len(CLASSES) * len(self.choices)
        self.autoencoder = CurveAutoencoder(
            context, code=code, points=points, width=width, blocks=blocks, architecture=architecture
        )
        self.prior = SplineFlow(code, context, transforms=2, bins=6, width=32)
        self.latent = code
        self.register_buffer("centre", torch.zeros(len(self.numbers)))
        self.register_buffer("scale", torch.ones(len(self.numbers)))
        phase = torch.arange(points) / points
        self.register_buffer("phase", phase, persistent=False)

    @torch.no_grad()
    def fit(self, observations: Tensor, conditions: Tensor) -> None:
        """Fit the standardisation to conditions (N, C) of the training stars, and a regression to their curves."""
        columns = self._columns(conditions)
        self.centre.copy_(columns.mean(dim=0))
        self.scale.copy_(columns.std(dim=0).clamp(min=1e-3))
        self.autoencoder.fit(observations, self.context(conditions))

    def context(self, conditions: Tensor) -> Tensor:
        """Return what the networks are told of conditions (N, C) in physical units, (N, context)."""
        found = ((self._columns(conditions) - self.centre) / self.scale).clamp(-FARTHEST, FARTHEST)
        known = torch.arange(len(CLASSES), device=conditions.device)
        one_hot = [(conditions[:, i : i + 1] == known).to(found) for i in self.choices]
        return torch.cat([found, *one_hot], dim=1)

    def networks(self) -> dict[str, nn.Module]:
        """Return the autoencoder and the flow of its codes, which learns after it."""
        return {"autoencoder": self.autoencoder, "prior": self.prior}

    def points(self, stage: str, batch: Mapping[str, Tensor], rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return some of each star's observations (N, L, 4), or of the prior a code of each (N, code), and context."""
        context = self.context(batch["conditions"])
        found = self.some(batch["observations"], rng)
        if stage == "prior":
            mean, log_width = self.autoencoder.encode(found, context)
            found = mean + log_width.exp() * torch.randn(mean.shape, generator=rng).to(mean)
        return found, context

    def some(self, observations: Tensor, rng: torch.Generator) -> Tensor:
        """Return ``observations`` of each star at random, (N, L, 4), or all that it has."""
        there = observations[..., 3]
        most = min(self.observations, there.shape[1])
        chance = torch.rand(there.shape, generator=rng).to(there) * there
        return observations.gather(1, chance.topk(most, dim=1).indices[..., None].expand(-1, -1, 4))

    def curves(self, code: Tensor, conditions: Tensor) -> Tensor:
        """Return magnitude, scatter [mag] and time [d] of cycles, (N, 3, points), of codes (N, code)."""
        shape, scatter = self.autoencoder.decode(code, self.context(conditions))
        mean, amplitude, period = (conditions[:, i : i + 1] for i in (self.mean, self.amplitude, self.period))
        columns = (mean + amplitude * shape, amplitude * scatter[:, None] + 0 * shape, period * self.phase.to(shape))
        return torch.stack(columns, dim=1)

    def forward(self, noise: Tensor, conditions: Tensor) -> Tensor:
        """Map noise (N, code) and conditions (N, C) in physical units to cycles, (N, 3, points)."""
        return self.curves(self.prior(noise, self.context(conditions)), conditions)

    def _columns(self, conditions: Tensor) -> Tensor:
        columns: list[Any] = []
        for i in self.numbers:
            logarithmic = self.conditions[i] in LOGARITHMIC
            columns.append(conditions[:, i].clamp(min=1e-6).log() if logarithmic else conditions[:, i])
        return torch.stack(columns, dim=1)
