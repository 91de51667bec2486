"""The bound generator and critic of showers: what carries between sections, mirror images, the critic's view."""

import numpy as np
import pytest
import torch

from simulacra.geometry import CalorimeterGeometry
from simulacra.models.shower_gan import ShowerGame, ShowerGenerator, ShowerOpponent, carry_matrix, reflect
from simulacra.observables.showers import shower_shapes_of
from tiny_calogan import SECTIONS, toy_geometry, toy_showers

RANGES = {"incident_energy": (1.0, 100.0)}


def geometry_of(*sizes: tuple[int, int]) -> CalorimeterGeometry:
    sections = [{"name": str(i), "layers": 1, "phi_cells": p, "eta_cells": e} for i, (p, e) in enumerate(sizes)]
    data = toy_geometry().model_dump(exclude_none=True) | {"sections": sections}
    return CalorimeterGeometry.model_validate(data)


@pytest.mark.parametrize("sizes", [((3, 96), (12, 12)), ((12, 12), (12, 6)), ((2, 8), (4, 4)), ((5, 3), (2, 7))])
def test_each_cell_takes_a_mean_of_those_in_front_of_it(sizes: tuple[tuple[int, int], tuple[int, int]]) -> None:
    matrix = carry_matrix(geometry_of(*sizes), 0)
    (a, b), (c, d) = sizes
    assert matrix.shape == (c * d, a * b)
    assert bool((matrix >= 0).all())
    torch.testing.assert_close(matrix.sum(dim=1), torch.ones(c * d))


def test_carrying_into_coarser_cells_is_average_pooling() -> None:
    matrix = carry_matrix(geometry_of((12, 12), (4, 6)), 0)
    image = torch.rand(5, 12, 12, generator=torch.Generator().manual_seed(1))
    pooled = torch.nn.functional.avg_pool2d(image[:, None], (3, 2)).flatten(1)
    torch.testing.assert_close(image.flatten(1) @ matrix.t(), pooled)


def test_carrying_into_finer_cells_copies() -> None:
    matrix = carry_matrix(geometry_of((2, 3), (4, 9)), 0)
    image = torch.rand(5, 2, 3, generator=torch.Generator().manual_seed(1))
    repeated = image.repeat_interleave(2, dim=1).repeat_interleave(3, dim=2).flatten(1)
    torch.testing.assert_close(image.flatten(1) @ matrix.t(), repeated)


def test_mirror_images_turn_each_section_about_its_own_middle() -> None:
    geometry, events = toy_geometry(), toy_showers(40)
    shower, energy = events["shower"].values, events["incident_energy"].values
    rows, columns = (torch.arange(40) % 2 == 0, torch.arange(40) % 3 == 0)
    mirrored = reflect(torch.from_numpy(shower), geometry, rows, columns)
    before, after = (shower_shapes_of(x, energy, geometry) for x in (shower, mirrored.numpy()))
    phi, eta = (np.where(mask.numpy(), -1, 1) for mask in (rows, columns))
    for name, values in before.items():
        sign = phi if name.startswith("phi_centre") else eta if name.startswith("eta_centre") else 1
        np.testing.assert_allclose(after[name], sign * values, rtol=1e-4, atol=1e-3, err_msg=name)
    torch.testing.assert_close(reflect(mirrored, geometry, rows, columns), torch.from_numpy(shower), rtol=0, atol=0)


def generator_and_opponent() -> tuple[ShowerGenerator, ShowerOpponent]:
    torch.manual_seed(3)
    return ShowerGenerator(toy_geometry(), RANGES, 5, (3, 3, 2), 2), ShowerOpponent(toy_geometry(), 1, (3, 2, 2))


def batch(n: int = 32) -> dict[str, torch.Tensor]:
    events = toy_showers(n)
    energy = torch.from_numpy(events["incident_energy"].values)
    return {"shower": torch.from_numpy(events["shower"].values), "conditions": energy[:, None]}


def test_energy_comes_first() -> None:
    ranges = {"impact_x": (-1.0, 1.0), **RANGES}
    with pytest.raises(ValueError, match=r"first condition must be 'incident_energy'.*impact_x"):
        ShowerGenerator(toy_geometry(), ranges, 5, (3, 3, 2), 2)


def test_the_critic_sees_generated_showers_as_it_would_see_them_as_real_ones() -> None:
    generator, _ = generator_and_opponent()
    generator.eval().requires_grad_(False)
    data, game = batch(), ShowerGame(0.1)
    generator.images.fit(data["shower"], data["conditions"][:, 0])
    noise = torch.randn(32, generator.latent, generator=torch.Generator().manual_seed(1))
    fake = game.generate(generator, noise, data)
    as_real = game.real(generator, {**data, "shower": generator(noise, data["conditions"])})
    for name in ("image", "hits"):
        torch.testing.assert_close(fake[name], as_real[name], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(fake["score"], as_real["score"], rtol=1e-3, atol=1e-3)


def test_matching_observables_is_zero_for_real_showers_and_grows_with_the_difference() -> None:
    generator, opponent = generator_and_opponent()
    data, game = batch(), ShowerGame(2.0)
    generator.images.fit(data["shower"], data["conditions"][:, 0])
    real = game.real(generator, data)
    opponent.observables.fit(real["hits"], generator.images.shares(real["image"]), real["score"])
    assert float(game.auxiliary(generator, opponent, real, data)) == pytest.approx(0, abs=1e-5)
    shifted = real | {"score": real["score"] + 1}
    expected = 2.0 * float(1 / opponent.observables.width[0]) / opponent.observables.size
    assert float(game.auxiliary(generator, opponent, shifted, data)) == pytest.approx(expected, rel=0.1)
    assert float(ShowerGame(0.0).auxiliary(generator, opponent, shifted, data)) == 0


def test_sections_are_those_of_the_geometry() -> None:
    generator, _ = generator_and_opponent()
    assert [stream.size for stream in generator.network.streams] == list(SECTIONS)


def test_polar_cells_are_mirrored_at_the_axes() -> None:
    geometry = CalorimeterGeometry.load("calochallenge")
    rng = torch.Generator().manual_seed(1)
    shower = torch.rand(3, geometry.n_cells, generator=rng)
    x, y = (torch.from_numpy(np.array(place)) for place in (geometry.cell_x, geometry.cell_y))
    for rows, columns in ((True, False), (False, True), (True, True)):
        mirrored = reflect(shower, geometry, torch.full((3,), rows), torch.full((3,), columns)).double()
        sign_x, sign_y = (-1.0 if columns else 1.0), (-1.0 if rows else 1.0)
        torch.testing.assert_close(mirrored @ x, sign_x * (shower.double() @ x))
        torch.testing.assert_close(mirrored @ y, sign_y * (shower.double() @ y))
        torch.testing.assert_close(mirrored @ x.hypot(y), shower.double() @ x.hypot(y))
