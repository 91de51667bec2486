"""The axis of a shower that enters anywhere, in any direction, and the frame of cells that follows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from simulacra.geometry import CalorimeterGeometry
from simulacra.representations.conditions import AZIMUTHAL, ENERGY, POLAR

#: conditions that move a shower
IMPACT: Final = ("impact_x", "impact_y")
MOVING: Final = (*IMPACT, POLAR)


class ShowerAxis(nn.Module):
    r"""Where the axis of a shower crosses each section, and its cells in a frame that follows the axis by whole cells.

    The axis is a straight line from the impact point. It crosses a section at

        x = impact + slope (a + b log E),

    where the depth a + b log E of the section's energy, at the incident energy E [GeV], is fitted to the centres of
    showers. In the frame, each section's cells are rolled by the whole number of cells nearest to x, so that the axis
    is always within half a cell of the section's middle: a generator that learns showers in the frame makes equal
    showers at places that differ by whole cells, and need not learn each place anew. Cells that leave on one side come
    in on the other, so nothing is lost. Mirror images of the detector are mirror images in the frame.

    Parameters
    ----------
    geometry:
        the detector, with cartesian sections.
    names:
        of the conditions, in the order of the columns.
    furthest_impact, steepest:
        largest distance of an impact point from the middle [mm], and slope, in training.
    """

    depths: Tensor
    pitch: Tensor
    cells: Tensor
    row: Tensor
    column: Tensor
    section: Tensor
    first: Tensor

    def __init__(
        self, geometry: CalorimeterGeometry, names: Sequence[str], furthest_impact: float, steepest: float
    ) -> None:
        super().__init__()
        self.names = tuple(names)
        n = len(geometry.sections)
        middles = 0.5 * (geometry.section_front + geometry.section_back)
        shape = torch.tensor([geometry.section_shape(i)[::-1] for i in range(n)]).t()
        # Until it is fitted, the middle of each section.
        self.register_buffer("depths", torch.tensor(np.stack([middles, 0 * middles]), dtype=torch.float32))
        self.register_buffer("pitch", geometry.lateral_size / shape.to(torch.float32), persistent=False)
        #: furthest distance of the axis from the middle within the detector [mm]
        self.reach = furthest_impact + steepest * geometry.depth
        section = torch.from_numpy(geometry.section_of_cell.copy())
        self.register_buffer("section", section, persistent=False)
        self.register_buffer("cells", shape[:, section].contiguous(), persistent=False)
        self.register_buffer("row", torch.from_numpy(geometry.phi_of_cell.copy()), persistent=False)
        self.register_buffer("column", torch.from_numpy(geometry.eta_of_cell.copy()), persistent=False)
        self.register_buffer("first", torch.tensor(geometry.offsets)[section], persistent=False)

    def fit(self, centres: Tensor, energies: Tensor, conditions: Tensor) -> None:
        """Fit the depths to centres (N, 2, S) [mm] of sections with energies (N, S) [MeV] and conditions (N, C)."""
        impact, slopes = self._line(conditions)
        log_energy = conditions[:, self.names.index(ENERGY)].log()
        steep = torch.stack([slopes, slopes * log_energy[:, None]], dim=2).double()
        for i in range(energies.shape[1]):
            lit = energies[:, i] > 0
            # Long cells say little of a centre along them.
            weight = 1.0 / self.pitch[:, i].double()
            inputs = (steep[lit] * weight[:, None]).flatten(0, 1)
            moved = ((centres[lit][:, :, i] - impact[lit]) * weight).flatten()
            # Showers that all come straight in say nothing of the depth, and need none.
            if len(inputs) and float(inputs.square().sum()) > 0:
                found = torch.linalg.lstsq(inputs, moved[:, None], driver="gelsd").solution[:, 0]
                self.depths[:, i] = found.to(self.depths)

    def forward(self, conditions: Tensor) -> Tensor:
        """Return where the axis crosses each section, along x and y, (N, 2, S) [mm]."""
        impact, slopes = self._line(conditions)
        log_energy = conditions[:, self.names.index(ENERGY)].log()
        depth = self.depths[0] + self.depths[1] * log_energy[:, None]
        return impact[:, :, None] + slopes[:, :, None] * depth[:, None]

    def middles(self, conditions: Tensor) -> Tensor:
        """Return where the middle of the frame is in the detector, along x and y, (N, 2, S) [mm]."""
        middles: Tensor = (self(conditions) / self.pitch).round() * self.pitch
        return middles

    def offsets(self, conditions: Tensor) -> Tensor:
        """Return how far the axis is from the middle of the frame, in half cells, (N, 2 S), each from -1 to 1."""
        place: Tensor = self(conditions) / self.pitch
        return (2.0 * (place - place.round())).flatten(1)

    def follow(self, cells: Tensor, conditions: Tensor) -> Tensor:
        """Return cells (N, cells) of the detector in the frame."""
        return cells.gather(1, self._places(conditions, 1))

    def inverse(self, cells: Tensor, conditions: Tensor) -> Tensor:
        """Return cells (N, cells) of the frame in the detector."""
        return cells.gather(1, self._places(conditions, -1))

    def _places(self, conditions: Tensor, sign: int) -> Tensor:
        """Return the cell that each cell's content comes from, (N, cells)."""
        steps = sign * (self(conditions) / self.pitch).round()
        # Conditions that are not finite give NaN elsewhere; an index must be a number.
        whole = steps.nan_to_num(0.0, 0.0, 0.0).long()[:, :, self.section]
        columns, rows = ((torch.stack([self.column, self.row]) + whole) % self.cells).unbind(1)
        places: Tensor = self.first + rows * self.cells[0] + columns
        return places

    def _line(self, conditions: Tensor) -> tuple[Tensor, Tensor]:
        """Return the impact point [mm] and the slopes along x and y, (N, 2) each."""
        nought = torch.zeros_like(conditions[:, 0])
        column = {name: conditions[:, i] for i, name in enumerate(self.names)}
        impact = torch.stack([column.get(name, nought) for name in IMPACT], dim=1)
        steep = torch.tan(column.get(POLAR, nought))
        azimuth = column.get(AZIMUTHAL, nought)
        return impact, torch.stack([steep * torch.cos(azimuth), steep * torch.sin(azimuth)], dim=1)
