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
#: largest share of a section's cells by which it may be rolled without padding
MOST_ROLLED: Final = 0.2


class ShowerAxis(nn.Module):
    r"""Where the axis of a shower crosses each section, and its cells in a frame that follows the axis by whole cells.

    The axis is a straight line from the impact point. It crosses a section at

        x = impact + slope (a + b log E),

    where the depth a + b log E of the section's energy, at the incident energy E [GeV], is fitted to the centres of
    showers. In the frame, each section's cells are rolled by the whole number of cells nearest to x, so that the axis
    is always within half a cell of the section's middle: a generator that learns showers in the frame makes equal
    showers at places that differ by whole cells, and need not learn each place anew. Cells that leave on one side come
    in on the other, so nothing is lost. Mirror images of the detector are mirror images in the frame.

    Opposite edges of a section are no neighbours, though they may be in the frame. Where sections are rolled by more
    than ``MOST_ROLLED`` of their cells, the scores of cells therefore are learned in a padded frame with a third more
    places along this direction (:meth:`spread`). Those places that no cell of the detector has are filled with whatever
    the other cells make likely.

    Parameters
    ----------
    geometry:
        the detector, with cartesian sections.
    names:
        of the conditions, in the order of the columns.
    furthest_impact, steepest:
        largest distance of an impact point from the middle [mm], and slope, in training.
    padded:
        whether there is a padded frame; otherwise it is the frame.
    """

    depths: Tensor
    pitch: Tensor
    cells: Tensor
    places: Tensor
    shape: Tensor
    section: Tensor
    first: Tensor
    padded_first: Tensor
    padded_cells: Tensor
    padding: Tensor

    def __init__(
        self,
        geometry: CalorimeterGeometry,
        names: Sequence[str],
        furthest_impact: float,
        steepest: float,
        *,
        padded: bool = False,
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
        places = torch.from_numpy(np.stack([geometry.eta_of_cell, geometry.phi_of_cell]))
        self.register_buffer("places", places, persistent=False)
        self.register_buffer("shape", shape, persistent=False)
        self.register_buffer("first", torch.tensor(geometry.offsets)[section], persistent=False)
        rolled = ((furthest_impact + steepest * torch.tensor(middles)) / self.pitch).round() / shape
        padding = torch.where(rolled > MOST_ROLLED, 2 * (shape / 6).round(), 0.0).long() * int(padded)
        wide = shape + padding
        #: rows and columns of each section in the padded frame
        self.padded_shapes = [(int(rows), int(columns)) for columns, rows in wide.t()]
        self.padded_sizes = [rows * columns for rows, columns in self.padded_shapes]
        starts = torch.tensor([0, *self.padded_sizes[:-1]]).cumsum(dim=0)
        self.register_buffer("padded_first", starts[section], persistent=False)
        self.register_buffer("padded_cells", wide[:, section].contiguous(), persistent=False)
        self.register_buffer("padding", (padding // 2)[:, section].contiguous(), persistent=False)

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

    def frame(self, conditions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the frame of each section: by how many cells it is rolled, its middle, and where the axis is in it.

        The cells and the middle [mm] are along x and y, (N, 2, S) each; the offsets are in half cells, (N, 2 S), from
        -1 to 1.
        """
        place = self(conditions) / self.pitch
        # An axis beyond the edge is followed to the edge.
        furthest = self.shape // 2
        whole = place.round().clamp(-furthest, furthest)
        return whole, whole * self.pitch, (2.0 * (place - whole)).flatten(1)

    def middles(self, conditions: Tensor) -> Tensor:
        """Return where the middle of the frame is in the detector, along x and y, (N, 2, S) [mm]."""
        return self.frame(conditions)[1]

    def offsets(self, conditions: Tensor) -> Tensor:
        """Return how far the axis is from the middle of the frame, in half cells, (N, 2 S), each from -1 to 1."""
        return self.frame(conditions)[2]

    def follow(self, cells: Tensor, conditions: Tensor) -> Tensor:
        """Return cells (N, cells) of the detector in the frame."""
        return self.rolled(cells, self.frame(conditions)[0])

    def inverse(self, cells: Tensor, conditions: Tensor) -> Tensor:
        """Return cells (N, cells) of the frame in the detector."""
        return self.rolled(cells, -self.frame(conditions)[0])

    def rolled(self, cells: Tensor, whole: Tensor) -> Tensor:
        """Return cells (N, cells), each from ``whole`` cells (N, 2, S) further along x and y."""
        columns, rows = self._within(self.places + self._steps(whole), self.cells).unbind(1)
        return cells.gather(1, self.first + rows * self.cells[0] + columns)

    def spread(self, cells: Tensor, whole: Tensor, fill: Tensor) -> Tensor:
        """Return cells (N, cells) of the frame in the padded one (N, places), whose other places are those of ``fill``.

        ``whole`` are the cells of :meth:`frame`; ``fill`` is (N, places).
        """
        return fill.scatter(1, self._padded(whole), cells)

    def gathered(self, padded: Tensor, whole: Tensor) -> Tensor:
        """Return the cells (N, cells) of the frame from the padded one (N, places)."""
        return padded.gather(1, self._padded(whole))

    def _padded(self, whole: Tensor) -> Tensor:
        """Return the place of each cell of the frame in the padded one, (N, cells)."""
        steps = self._steps(whole)
        inside = self._within(self.places + steps, self.cells) - steps + self.padding
        columns, rows = self._within(inside, self.padded_cells).unbind(1)
        return self.padded_first + rows * self.padded_cells[0] + columns

    def _steps(self, whole: Tensor) -> Tensor:
        """Return the cells by which each cell is rolled, (N, 2, cells)."""
        # Conditions that are not finite give NaN elsewhere; an index must be a number.
        return whole.nan_to_num(0.0, 0.0, 0.0).long()[:, :, self.section]

    @staticmethod
    def _within(places: Tensor, cells: Tensor) -> Tensor:
        """Return places (N, 2, cells), at most once round outside, from 0 to the number of ``cells``."""
        # Comparisons are quicker than a remainder for each cell.
        places = torch.where(places >= cells, places - cells, places)
        return torch.where(places < 0, places + cells, places)

    def _line(self, conditions: Tensor) -> tuple[Tensor, Tensor]:
        """Return the impact point [mm] and the slopes along x and y, (N, 2) each."""
        nought = torch.zeros_like(conditions[:, 0])
        column = {name: conditions[:, i] for i, name in enumerate(self.names)}
        impact = torch.stack([column.get(name, nought) for name in IMPACT], dim=1)
        steep = torch.tan(column.get(POLAR, nought))
        azimuth = column.get(AZIMUTHAL, nought)
        return impact, torch.stack([steep * torch.cos(azimuth), steep * torch.sin(azimuth)], dim=1)
