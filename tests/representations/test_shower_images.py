"""The map between cells in MeV and images: invertible, energy kept exactly, never negative."""

import pytest
import torch

from simulacra.representations.shower_images import ShowerImages
from tiny_calogan import toy_showers


def showers(n: int = 200) -> tuple[torch.Tensor, torch.Tensor]:
    events = toy_showers(n)
    return torch.from_numpy(events["shower"].values), torch.from_numpy(events["incident_energy"].values)


def fitted(power: int = 2) -> ShowerImages:
    images = ShowerImages(40, power)
    images.fit(*showers())
    return images


@pytest.mark.parametrize("power", [1, 2, 3, 4])
def test_round_trip_restores_each_cell(power: int) -> None:
    images, (shower, energy) = fitted(power).double(), showers()
    shower, energy = shower.double(), energy.double()
    back = images.inverse(*images(shower, energy), energy)
    torch.testing.assert_close(back, shower, rtol=1e-9, atol=0)


def test_round_trip_in_single_precision_is_good_to_one_in_a_million() -> None:
    images, (shower, energy) = fitted(), showers()
    back = images.inverse(*images(shower, energy), energy)
    hit = shower > 0
    assert float((back[hit] / shower[hit] - 1).abs().max()) < 1e-6
    assert bool((back[~hit] == 0).all()), "an empty cell must stay exactly empty"


def test_cells_add_up_to_the_response_times_the_energy() -> None:
    images, (_, energy) = fitted(), showers()
    rng = torch.Generator().manual_seed(1)
    image = torch.rand(200, 40, generator=rng) * (torch.rand(200, 40, generator=rng) > 0.6)
    score = torch.randn(200, generator=rng)
    cells = images.inverse(image, score, energy)
    response = images.centre + images.width * torch.sinh(score)
    torch.testing.assert_close(cells.sum(dim=1), response * 1000 * energy, rtol=1e-5, atol=0)
    assert bool((cells >= 0).all())
    assert bool((cells[image == 0] == 0).all())


@pytest.mark.parametrize("score", [-30.0, 0.0, 30.0])
def test_no_score_makes_a_cell_negative_or_not_a_number(score: float) -> None:
    images = fitted()
    cells = images.inverse(torch.rand(5, 40), torch.full((5,), score), torch.full((5,), 50.0))
    assert bool((cells >= 0).all())
    assert bool(torch.isfinite(cells).all())


def test_an_image_without_a_hit_is_a_shower_without_energy() -> None:
    cells = fitted().inverse(torch.zeros(2, 40), torch.zeros(2), torch.full((2,), 50.0))
    assert bool((cells == 0).all())


def test_images_and_scores_are_of_order_one() -> None:
    image, score = fitted()(*showers())
    assert 0.5 < float(image[image > 0].mean()) < 1.5
    assert abs(float(score.quantile(0.5))) < 1e-3
    assert 0.2 < float(score.std()) < 2


def test_normalised_image_is_what_the_real_shower_of_its_shares_would_give() -> None:
    images, (shower, energy) = fitted(), showers()
    image, _ = images(shower, energy)
    torch.testing.assert_close(images.normalise(7.0 * image), image, rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(images.shares(7.0 * image), shower / shower.sum(dim=1, keepdim=True))


def test_showers_without_energy_are_refused() -> None:
    shower, energy = showers()
    shower[[3, 7]] = 0
    with pytest.raises(ValueError, match="2 showers without any energy"):
        ShowerImages(40).fit(shower, energy)


def test_what_is_fitted_travels_with_the_weights() -> None:
    other = ShowerImages(40)
    other.load_state_dict(fitted().state_dict())
    shower, energy = showers()
    torch.testing.assert_close(other(shower, energy)[0], fitted()(shower, energy)[0], rtol=0, atol=0)
