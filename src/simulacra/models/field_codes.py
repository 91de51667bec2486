"""Fields from codes: levels and a code by a flow, a convolutional decoder, and the Gaussian scatter about its mean."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from simulacra.generators.flow import SplineFlow
from simulacra.networks.field_codes import FieldAutoencoder, Scatter
from simulacra.representations.field_levels import LEVELS, FieldLevels


class CodedFields(nn.Module):
    """Map noise and conditions to fields: the module of a checkpoint and of an ONNX file.

    A field is standardised, and its mean and width are made with its code, by one flow of all these numbers that
    learned those of the training fields.

    Parameters
    ----------
    shape:
        of a field, (n1, n2).
    conditions:
        number of conditions.
    code, width, levels, scatter:
        of :class:`~simulacra.networks.field_codes.FieldAutoencoder`.
    transforms, bins, hidden:
        of the flow.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        conditions: int,
        *,
        code: int,
        width: int,
        levels: int,
        scatter: Scatter,
        transforms: int = 3,
        bins: int = 5,
        hidden: int = 64,
    ) -> None:
        super().__init__()
        self.shape = shape
        self.levels = FieldLevels(conditions)
        self.autoencoder = FieldAutoencoder(
            shape, conditions + LEVELS, code=code, width=width, levels=levels, scatter=scatter
        )
        self.prior = SplineFlow(LEVELS + code, conditions, transforms=transforms, bins=bins, width=hidden)
        #: numbers of levels and code, which are made of the first Gaussian ones
        self.coded = LEVELS + code
        self.latent = self.coded + self.autoencoder.size

    @torch.no_grad()
    def fit(self, field: Tensor, conditions: Tensor) -> None:
        """Fit the standardisation and the principal components to the training fields (N, n1, n2)."""
        self.levels.fit(field, conditions)
        self.autoencoder.fit(self.levels.split(field)[1].flatten(1))

    def networks(self) -> dict[str, nn.Module]:
        """Return the autoencoder and the flow of codes, which learns after it."""
        return {"autoencoder": self.autoencoder, "prior": self.prior}

    def points(self, stage: str, batch: Mapping[str, Tensor], rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return standardised fields (N, D) given conditions and levels, or levels and a code of each, and context."""
        levels, standard = self.levels.split(batch["field"])
        context = self.levels.context(batch["conditions"])
        told = torch.cat([context, levels], dim=1)
        if stage == "autoencoder":
            return standard.flatten(1), told
        mean, log_width = self.autoencoder.encode(standard.flatten(1), told)
        code = mean + log_width.exp() * torch.randn(mean.shape, generator=rng).to(mean)
        return torch.cat([levels, code], dim=1), context

    def log_prior(self, code: Tensor, conditions: Tensor) -> Tensor:
        """Return log p of levels and code (N, coded), (N,)."""
        log_p: Tensor = self.prior.log_prob(code, self.levels.context(conditions))
        return log_p

    def encode(self, field: Tensor, conditions: Tensor) -> Tensor:
        """Return levels and the mean of the code of fields (N, n1, n2), (N, coded)."""
        levels, standard = self.levels.split(field)
        told = torch.cat([self.levels.context(conditions), levels], dim=1)
        return torch.cat([levels, self.autoencoder.encode(standard.flatten(1), told)[0]], dim=1)

    def decode(self, code: Tensor, conditions: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean of fields (N, D) and the factor (N,) on their scatter, of levels and code (N, coded)."""
        levels, code = code[:, :LEVELS], code[:, LEVELS:]
        context = self.levels.context(conditions)
        mean, amplitude = self.autoencoder.decode(code, torch.cat([context, levels], dim=1))
        centre, width = self.levels.moments(levels)
        return centre[:, None] + width[:, None] * mean, width * amplitude

    def forward(self, noise: Tensor, conditions: Tensor) -> Tensor:
        """Map noise (N, latent) and conditions (N, C) in physical units to fields (N, n1, n2)."""
        code = self.prior(noise[:, : self.coded], self.levels.context(conditions))
        mean, factor = self.decode(code, conditions)
        waves = self.autoencoder.scatter() * noise[:, self.coded :]
        field: Tensor = (mean + factor[:, None] * self.autoencoder.from_waves(waves)).unflatten(1, self.shape)
        return field
