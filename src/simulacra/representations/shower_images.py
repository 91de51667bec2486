"""Showers as inputs of a network: roots of cell shares, and the total response separately."""

from __future__ import annotations

import torch
from torch import Tensor, nn

SMALLEST_SHARE = 1e-9


def raised(image: Tensor, power: int) -> Tensor:
    """Return a small integer power by products, several times faster than the general power."""
    result = image
    for _ in range(power - 1):
        result = result * image
    return result


class ShowerImages(nn.Module):
    """An invertible map between the cells of a shower [MeV] and (image, response score).

    With the total T = sum of the cells, the share of cell c is y_c = E_c / T and

    * image: x_c = (y_c / scale_c)^(1/power), where scale_c is the mean share of that cell when it is hit. An empty cell
      is exactly 0, a hit one of order 1, both in the core (10^-1 of the energy) and at the edge (10^-5);
    * response score: s = asinh((T / (1000 E_incident) - centre) / width), because the response is a narrow peak with a
      tail.

    The inverse normalises: for any non-negative image, the cells sum to the response times the incident energy, and no
    cell is negative.
    """

    scale: Tensor
    centre: Tensor
    width: Tensor

    def __init__(self, n_cells: int, power: int = 2) -> None:
        super().__init__()
        self.power = power
        self.register_buffer("scale", torch.ones(n_cells))
        self.register_buffer("centre", torch.tensor(1.0))
        self.register_buffer("width", torch.tensor(0.01))

    def fit(self, shower: Tensor, incident_energy: Tensor) -> None:
        """Fit scale, centre and width to showers (N, cells) [MeV] of incident energy (N,) [GeV]."""
        total = shower.double().sum(dim=1)
        if not bool((total > 0).all()):
            raise ValueError(f"{int((total <= 0).sum())} showers without any energy: remove them before training")
        share = shower.double() / total[:, None]
        hits = (share > 0).sum(dim=0)
        mean_share = share.sum(dim=0) / hits.clamp(min=1)
        # A cell that no training shower hits keeps the smallest scale: the network has no reason to light it.
        self.scale.copy_(mean_share.clamp(min=SMALLEST_SHARE))
        response = total / (1000.0 * incident_energy.double())
        quartiles = torch.quantile(response, torch.tensor([0.25, 0.5, 0.75], dtype=torch.float64))
        self.centre.copy_(quartiles[1])
        self.width.copy_((quartiles[2] - quartiles[0]).clamp(min=1e-6))

    def forward(self, shower: Tensor, incident_energy: Tensor) -> tuple[Tensor, Tensor]:
        """Map cells (N, cells) [MeV] and incident energies (N,) [GeV] to images (N, cells) and scores (N,)."""
        total = shower.sum(dim=1, keepdim=True)
        image = (shower / total / self.scale) ** (1.0 / self.power)
        score = torch.asinh((total.squeeze(1) / (1000.0 * incident_energy) - self.centre) / self.width)
        return image, score

    def shares(self, image: Tensor) -> Tensor:
        """Return each cell's share of the total, (N, cells), from any non-negative image."""
        share = self.scale * raised(image, self.power)
        return share / share.sum(dim=1, keepdim=True).clamp(min=1e-12)

    def normalise(self, image: Tensor) -> Tensor:
        """Return the image that :meth:`forward` would give for the same shares, (N, cells)."""
        share = self.scale * raised(image, self.power)
        return image / share.sum(dim=1, keepdim=True).clamp(min=1e-12) ** (1.0 / self.power)

    def response(self, score: Tensor) -> Tensor:
        """Return total over incident energy from response scores of any shape, at least 0."""
        return (self.centre + self.width * torch.sinh(score)).clamp(min=0.0)

    def inverse(self, image: Tensor, score: Tensor, incident_energy: Tensor) -> Tensor:
        """Map images (N, cells), scores (N,) and incident energies (N,) [GeV] to cells (N, cells) [MeV]."""
        return self.shares(image) * (1000.0 * incident_energy * self.response(score))[:, None]
