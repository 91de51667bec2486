"""The shape of each section as normal scores: hits, centres, widths and the two hottest cells."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from simulacra.geometry import CalorimeterGeometry
from simulacra.representations.conditional_quantiles import ConditionalQuantiles, open_uniform, score_of_logit

#: numbers that describe a section: hits, centre along eta and phi, width along eta and phi, second over hottest cell
QUANTITIES: Final = 6


class SectionShapes(nn.Module):
    r"""Shapes of each section of a shower as scores (N, 6 S), nearly standard normal at the section's energy.

    With :math:`I_c` the energies of a section's cells, centred at :math:`(\eta_c, \phi_c)`, and :math:`E` their sum,
    they are the number of hit cells; :math:`\langle\eta\rangle = \sum_c I_c \eta_c / E` and :math:`\langle\phi\rangle`
    relative to the section's edge, or to a distance before the middle of its frame;
    :math:`\sqrt{\langle\eta^2\rangle - \langle\eta\rangle^2}` and the same for phi; and the energy of the second
    hottest cell over that of the hottest. Each is mapped by its quantiles at the logarithm of the section's energy
    (:class:`~simulacra.representations.conditional_quantiles.ConditionalQuantiles`). They are ordered by quantity, and
    by section within each quantity. Those of a section without energy have no meaning and are drawn from the standard
    normal distribution.

    A generator that learns cells one by one learns such sums last, although physicists look at them first. They are
    therefore generated first, and the cells are generated given them.

    Parameters
    ----------
    geometry:
        the detector.
    knots:
        of each section's energy.
    furthest:
        largest distance of a frame's middle from that of the detector [mm].

    The methods take ``middles``, the middle of the frame of each section along eta and phi, (N, 2, S) [mm]
    (:class:`~simulacra.representations.shower_axis.ShowerAxis`), from which centres then are measured; without them
    they are measured from the detector's.
    """

    weights: Tensor
    #: more than the distance of any centre from the middle, along eta and phi, (2, S) [mm]
    reach: Tensor

    def __init__(self, geometry: CalorimeterGeometry, knots: int = 16, furthest: float = 0.0) -> None:
        super().__init__()
        self.sizes = [section.n_cells for section in geometry.sections]
        self.size = QUANTITIES * len(self.sizes)
        places = torch.tensor(np.stack([geometry.cell_x, geometry.cell_y]), dtype=torch.float32)
        self.register_buffer("weights", torch.cat([places, places.square()]).t().contiguous(), persistent=False)
        reach = [part.abs().amax(dim=1) for part in places.split(self.sizes, dim=1)]
        self.register_buffer("reach", 1.1 * torch.stack(reach, dim=1) + furthest, persistent=False)
        self.quantiles = ConditionalQuantiles(torch.arange(len(self.sizes)).repeat(QUANTITIES), knots)

    def fit(self, shower: Tensor, energies: Tensor, rng: torch.Generator | None, middles: Tensor | None = None) -> None:
        """Fit to showers (N, cells) and the energies of their sections (N, S), [MeV]."""
        self.quantiles.fit(self._shapes(shower, energies, open_uniform(energies, rng), middles), energies.log())

    def forward(
        self, shower: Tensor, energies: Tensor, rng: torch.Generator | None, middles: Tensor | None = None
    ) -> Tensor:
        """Return the scores (N, 6 S) of showers (N, cells) with section energies (N, S), [MeV]."""
        coordinates = energies.log()
        shapes = self._shapes(shower, energies, open_uniform(energies, rng), middles)
        uniform = open_uniform(shapes, rng)
        scores: Tensor = self.quantiles(shapes, coordinates, uniform)
        return torch.where(energies.repeat(1, QUANTITIES) > 0, scores, score_of_logit(torch.logit(uniform)))

    def inverse(self, scores: Tensor, energies: Tensor, middles: Tensor | None = None) -> tuple[Tensor, ...]:
        """Return the shapes of scores (N, 6 S) and energies (N, S) [MeV]: six quantities, (N, S) each.

        Numbers of hits, integers of at least 1 and at most the number of cells; centre along eta and phi, width along
        eta and phi [mm]; second over hottest cell. They have no meaning for a section without energy.
        """
        lit, eta, phi, *rest = self.quantiles.inverse(scores, energies.log()).chunk(QUANTITIES, dim=1)
        most = torch.tensor(self.sizes, device=scores.device)
        place = torch.stack([eta, phi], dim=1) - self.reach
        eta, phi = (place if middles is None else place + middles).unbind(dim=1)
        return torch.minimum(lit.floor().clamp(min=1).long(), most), eta, phi, *rest

    def centres(self, shower: Tensor, energies: Tensor) -> Tensor:
        """Return the centres of the sections along eta and phi, (N, 2, S) [mm]; 0 of a section without energy."""
        return self._moments(shower, energies)[:, :2]

    def _moments(self, shower: Tensor, energies: Tensor) -> Tensor:
        """Return the means of eta, phi and of their squares, (N, 4, S)."""
        tiny = torch.finfo(shower.dtype).tiny
        pieces = (part.split(self.sizes, dim=d) for part, d in ((shower, 1), (self.weights, 0)))
        parts = zip(*pieces, energies.split(1, dim=1), strict=True)
        return torch.stack([(piece / energy.clamp(min=tiny)) @ place for piece, place, energy in parts], dim=2)

    def _shapes(self, shower: Tensor, energies: Tensor, uniform: Tensor, middles: Tensor | None = None) -> Tensor:
        """Return the shapes, (N, 6 S); hits n are spread over n to n + 1, because quantiles need a density."""
        tiny = torch.finfo(shower.dtype).tiny
        hits, ratio = [], []
        for piece in shower.split(self.sizes, dim=1):
            hits.append((piece > 0).sum(dim=1))
            hottest = piece.topk(min(2, piece.shape[1]), dim=1).values
            ratio.append(hottest[:, -1] / hottest[:, 0].clamp(min=tiny) * float(piece.shape[1] > 1))
        mean, square = self._moments(shower, energies).split(2, dim=1)
        centre = (mean if middles is None else mean - middles) + self.reach
        width = (square - mean.square()).clamp(min=0).sqrt()
        # What rounding leaves of a single cell's width is no width.
        width = torch.where(width > 1e-3 * square.sqrt(), width, 0.0)
        count = torch.stack(hits, dim=1)
        lit = torch.where(count > 0, count + uniform, 0.0)
        shapes = [lit, centre[:, 0], centre[:, 1], width[:, 0], width[:, 1], torch.stack(ratio, dim=1)]
        return torch.cat([torch.where(energies > 0, shape, 0.0) for shape in shapes], dim=1)
