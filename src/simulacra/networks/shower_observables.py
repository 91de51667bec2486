"""Differentiable shower observables for the critic."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from simulacra.geometry import CalorimeterGeometry

SMALLEST_FRACTION = 1e-5


class ShowerObservables(nn.Module):
    """Observables of showers, standardised, (N, 1 + 6 sections).

    The response score, and for each section: log energy fraction, share of cells hit, energy-weighted mean and width
    along eta and phi [half the detector's size = 1].
    """

    mean: Tensor
    width: Tensor
    eta: Tensor
    phi: Tensor

    def __init__(self, geometry: CalorimeterGeometry) -> None:
        super().__init__()
        half = geometry.lateral_size / 2
        self.register_buffer("eta", torch.as_tensor(geometry.cell_x / half, dtype=torch.float32))
        self.register_buffer("phi", torch.as_tensor(geometry.cell_y / half, dtype=torch.float32))
        self.sections = [section.n_cells for section in geometry.sections]
        self.size = 1 + 6 * len(self.sections)
        self.register_buffer("mean", torch.zeros(self.size))
        self.register_buffer("width", torch.ones(self.size))

    def fit(self, hits: Tensor, shares: Tensor, score: Tensor) -> None:
        """Fit the standardisation to training showers."""
        raw = self._raw(hits, shares, score)
        self.mean.copy_(raw.mean(dim=0))
        self.width.copy_(raw.std(dim=0).clamp(min=1e-3))

    def forward(self, hits: Tensor, shares: Tensor, score: Tensor) -> Tensor:
        """Return (N, size) from hits (N, cells), shares of the energy (N, cells) and response scores (N,)."""
        return (self._raw(hits, shares, score) - self.mean) / self.width

    def _raw(self, hits: Tensor, shares: Tensor, score: Tensor) -> Tensor:
        columns = [score]
        parts = zip(
            hits.split(self.sections, dim=1),
            shares.split(self.sections, dim=1),
            self.eta.split(self.sections),
            self.phi.split(self.sections),
            strict=True,
        )
        for hit, y, eta, phi in parts:
            fraction = y.sum(dim=1)
            weight = y / (fraction[:, None] + SMALLEST_FRACTION)
            columns += [torch.log(fraction + SMALLEST_FRACTION), hit.mean(dim=1)]
            for axis in (eta, phi):
                centre = weight @ axis
                spread = (weight @ axis**2 - centre**2).clamp(min=0.0)
                columns += [centre, torch.sqrt(spread + 1e-6)]
        return torch.stack(columns, dim=1)
