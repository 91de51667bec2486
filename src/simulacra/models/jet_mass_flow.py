"""The mass of a jet given its transverse momentum and pseudorapidity: a normalising flow in one dimension."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from simulacra.generators.flow import SplineFlow

#: a mass over the transverse momentum that no jet has, beyond which there are numbers that are not finite
LEAST_LOG, MOST_LOG = -12.0, 6.0


class JetMassFlow(nn.Module):
    """Map a normal number and the conditions to a mass: the module of a checkpoint and of an ONNX file.

    The flow is that of log(mass / pT), given log(pT) and the absolute pseudorapidity: both are standardised by the
    training jets. The density is therefore the same at both signs of the pseudorapidity.

    Parameters
    ----------
    transforms, bins, width, depth:
        of :class:`~simulacra.generators.flow.SplineFlow`.
    """

    shift: Tensor
    scale: Tensor
    latent = 1

    def __init__(self, *, transforms: int, bins: int, width: int, depth: int) -> None:
        super().__init__()
        self.flow = SplineFlow(
            1, 2, coupling="autoregressive", transforms=transforms, bins=bins, width=width, depth=depth
        )
        # of log(mass / pT), log(pT) and |eta|
        self.register_buffer("shift", torch.zeros(3))
        self.register_buffer("scale", torch.ones(3))

    def fit(self, mass: Tensor, conditions: Tensor) -> None:
        """Fit the standardisation to masses (N,) and conditions (N, 2)."""
        columns = torch.stack([torch.log(mass / conditions[:, 0]), *self._columns(conditions)], dim=1)
        self.shift.copy_(columns.mean(dim=0))
        self.scale.copy_(columns.std(dim=0).clamp(min=1e-6))

    def log_prob(self, mass: Tensor, conditions: Tensor) -> Tensor:
        """Return log p(log(mass / pT) | pT, eta) in standardised units, (N,), of masses (N,) at conditions (N, 2)."""
        points = (torch.log(mass / conditions[:, 0]) - self.shift[0]) / self.scale[0]
        return self.flow.log_prob(points[:, None], self._context(conditions))

    def forward(self, noise: Tensor, conditions: Tensor) -> Tensor:
        """Map noise (N, 1) and conditions (N, 2), pT [GeV] and pseudorapidity, to masses (N, 1) [GeV]."""
        points = self.flow(noise, self._context(conditions))
        log = (points * self.scale[0] + self.shift[0]).clamp(LEAST_LOG, MOST_LOG)
        return torch.exp(log) * conditions[:, :1]

    def _columns(self, conditions: Tensor) -> tuple[Tensor, Tensor]:
        return torch.log(conditions[:, 0]), conditions[:, 1].abs()

    def _context(self, conditions: Tensor) -> Tensor:
        return (torch.stack(self._columns(conditions), dim=1) - self.shift[1:]) / self.scale[1:]
