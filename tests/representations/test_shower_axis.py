"""The frame that follows a shower's axis: whole cells, the same showers at places whole cells apart, mirror images."""

import math
from itertools import pairwise

import pytest
import torch

from simulacra.geometry import CalorimeterGeometry
from simulacra.models.shower_gan import flipped, reflect, reflect_conditions
from simulacra.representations.section_shapes import SectionShapes
from simulacra.representations.shower_axis import ShowerAxis
from tiny_calogan import FIVE

CALOGAN = CalorimeterGeometry.load("calogan")


def axis() -> ShowerAxis:
    return ShowerAxis(CALOGAN, FIVE, 50.0, math.tan(0.35))


def conditions(n: int = 300, seed: int = 1) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    low = torch.tensor([1.0, -50.0, -50.0, 0.0, 0.0])
    high = torch.tensor([100.0, 50.0, 50.0, 0.35, 2 * math.pi])
    return low + torch.rand(n, 5, generator=rng) * (high - low)


def spots(asked: torch.Tensor, depths: torch.Tensor) -> torch.Tensor:
    """Return showers with one lit cell in each section, where a straight line crosses it at given depths."""
    energy, x, y, polar, azimuth = asked.t()
    cells = torch.zeros(len(asked), CALOGAN.n_cells)
    for i, depth in enumerate(depths):
        phi_cells, eta_cells = CALOGAN.section_shape(i)
        at = [
            start + torch.tan(polar) * turn(azimuth) * (depth + 3.0 * energy.log())
            for start, turn in ((x, torch.cos), (y, torch.sin))
        ]
        eta = ((at[0] / 480 + 0.5) * eta_cells).floor().clamp(0, eta_cells - 1)
        phi = ((at[1] / 480 + 0.5) * phi_cells).floor().clamp(0, phi_cells - 1)
        place = CALOGAN.offsets[i] + (phi * eta_cells + eta).long()
        cells[torch.arange(len(asked)), place] = energy
    return cells


def test_the_frame_holds_the_same_cells_and_leads_back() -> None:
    asked, cells = conditions(), torch.rand(300, 504, generator=torch.Generator().manual_seed(2))
    found = axis().follow(cells, asked)
    assert not found.equal(cells)
    assert axis().inverse(found, asked).equal(cells)
    for i in range(3):
        part = CALOGAN.section_slice(i)
        assert found[:, part].sort(dim=1).values.equal(cells[:, part].sort(dim=1).values)


def test_the_depth_of_each_section_is_found_from_the_centres() -> None:
    asked, depths = conditions(4000), torch.tensor([40.0, 180.0, 440.0])
    cells = spots(asked, depths)
    shapes = SectionShapes(CALOGAN)
    energies = torch.stack([part.sum(dim=1) for part in cells.split(shapes.sizes, dim=1)], dim=1)
    made = axis()
    made.fit(shapes.centres(cells, energies), energies, asked)
    # Cells round each centre to their middle; the slopes reach 0.36.
    torch.testing.assert_close(made.depths[0], depths, atol=6.0, rtol=0)
    torch.testing.assert_close(made.depths[1], torch.full((3,), 3.0), atol=4.0, rtol=0)


@pytest.mark.parametrize("section", [0, 1, 2])
def test_a_shower_is_in_the_middle_of_the_frame_wherever_it_enters(section: int) -> None:
    asked, depths = conditions(1000), torch.tensor([40.0, 180.0, 440.0])
    made = axis()
    made.depths.copy_(torch.stack([depths, torch.full((3,), 3.0)]))
    part = CALOGAN.section_slice(section)
    lit = made.follow(spots(asked, depths), asked)[:, part].argmax(dim=1)
    phi_cells, eta_cells = CALOGAN.section_shape(section)
    for place, cells in ((lit // eta_cells, phi_cells), (lit % eta_cells, eta_cells)):
        # An even number of cells has an edge in its middle, and the axis is within half a cell of it.
        assert float((place + 0.5 - cells / 2).abs().max()) <= (0.5 if cells % 2 == 0 else 0.0)


def test_showers_whole_cells_apart_have_one_frame_and_one_context() -> None:
    asked = conditions()
    asked[:, 1:3] = 0.8 * asked[:, 1:3] - 20.0
    moved = asked.clone()
    # 80 mm are 16, 2 and 1 cells along eta; along phi the cells of the first section are 160 mm long.
    moved[:, 1] += 80.0
    cells = torch.rand(300, 504, generator=torch.Generator().manual_seed(3))
    there = torch.cat(
        [
            part.reshape(-1, *CALOGAN.section_shape(i)).roll(steps, dims=2).flatten(1)
            for i, (part, steps) in enumerate(zip(cells.split([288, 144, 72], dim=1), (16, 2, 1), strict=True))
        ],
        dim=1,
    )
    made = axis()
    same = (made.offsets(asked) - made.offsets(moved)).abs().amax(dim=1) < 1e-3
    # Rounding may put an axis on a cell's edge on either side.
    assert float(same.double().mean()) > 0.98
    assert made.follow(cells, asked)[same].equal(made.follow(there, moved)[same])


@pytest.mark.parametrize(("rows", "columns"), [(True, False), (False, True), (True, True)])
def test_a_mirror_image_is_a_mirror_image_in_the_frame(rows: bool, columns: bool) -> None:
    asked, cells = conditions(), torch.rand(300, 504, generator=torch.Generator().manual_seed(4))
    masks = torch.full((300,), rows), torch.full((300,), columns)
    image = reflect(cells, CALOGAN, *masks)
    where = reflect_conditions(asked, FIVE, *masks)
    found, expected = axis().follow(image, where), reflect(axis().follow(cells, asked), CALOGAN, *masks)
    # Rounding of sines may put an axis that lies on a cell's edge on either side.
    assert float((found == expected).all(dim=1).double().mean()) > 0.98


def test_conditions_that_are_not_finite_do_not_spoil_an_index() -> None:
    asked = conditions(4)
    asked[0, 1], asked[1, 0], asked[2, 2] = torch.nan, 0.0, torch.inf
    cells = torch.rand(4, 504)
    assert axis().inverse(axis().follow(cells, asked), asked).equal(cells)


def test_a_shower_that_only_moves_has_no_slope() -> None:
    made = ShowerAxis(CALOGAN, ["incident_energy", "impact_y"], 50.0, 0.0)
    asked = torch.tensor([[10.0, 30.0], [20.0, -30.0]])
    expected = torch.tensor([0.0, 30.0])[None, :, None].repeat(2, 1, 3) * torch.tensor([1.0, -1.0])[:, None, None]
    torch.testing.assert_close(made(asked), expected)


def test_the_padded_frame_holds_each_cell_once_and_parts_opposite_edges() -> None:
    asked, made = conditions(), ShowerAxis(CALOGAN, FIVE, 50.0, math.tan(0.35), padded=True)
    assert made.padded_shapes == [(3, 96), (16, 16), (16, 8)]
    cells = torch.rand(300, 504, generator=torch.Generator().manual_seed(5))
    whole = made.frame(asked)[0]
    frame = made.follow(cells, asked)
    padded = made.spread(frame, whole, torch.full((300, 672), torch.nan))
    assert made.gathered(padded, whole).equal(frame)
    assert bool((torch.isfinite(padded).sum(dim=1) == 504).all())
    # The columns of the second section in the order of the detector, from the middle of the frame on.
    for event in range(300):
        seen = padded[event, 288:544].reshape(16, 16)
        columns = [i for i in range(16) if bool(torch.isfinite(seen[:, i]).any())]
        gaps = [b - a for a, b in pairwise(columns) if b - a > 1]
        assert len(columns) == 12
        assert len(gaps) <= 1


@pytest.mark.parametrize(("rows", "columns"), [(True, False), (False, True)])
def test_the_padded_frame_is_mirrored_like_the_detector(rows: bool, columns: bool) -> None:
    asked, made = conditions(), ShowerAxis(CALOGAN, FIVE, 50.0, math.tan(0.35), padded=True)
    cells = torch.rand(300, 504, generator=torch.Generator().manual_seed(6))
    masks = torch.full((300,), rows), torch.full((300,), columns)

    def padded(shower: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
        return made.spread(made.follow(shower, where), made.frame(where)[0], torch.zeros(300, 672))

    found = padded(reflect(cells, CALOGAN, *masks), reflect_conditions(asked, FIVE, *masks))
    expected = flipped(padded(cells, asked), made.padded_shapes, *masks)
    assert float((found == expected).all(dim=1).double().mean()) > 0.98
