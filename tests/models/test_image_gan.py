"""The generator and critic of images, their representation, and the family with an auxiliary class."""

import numpy as np
import torch

from simulacra.generators.auxiliary_class import AuxiliaryClass, flipped
from simulacra.models.image_gan import ImageGame, ImageGenerator, ImageOpponent
from simulacra.networks.image_observables import ImageObservables
from simulacra.observables.jet_images import pt_and_mass, shapes_of
from simulacra.representations.pixel_images import PixelImages
from toy_images import toy_images

SIZE = 9


def images(n: int = 64) -> torch.Tensor:
    return torch.as_tensor(toy_images(n, size=SIZE)["image"].values)


def test_the_representation_is_invertible_and_keeps_zeros() -> None:
    pixels = images()
    representation = PixelImages(SIZE, 3)
    representation.fit(pixels)
    x = representation(pixels)
    assert ((x == 0) == (pixels == 0)).all()
    torch.testing.assert_close(representation.inverse(x), pixels, rtol=1e-4, atol=1e-5)
    assert 0.5 < float(x[x > 0].mean()) < 1


def test_the_critics_observables_are_those_of_events() -> None:
    pixels = images()
    observables = ImageObservables(SIZE, 0.1)
    found = observables(pixels, (pixels > 0).float()).numpy()
    pt, mass = pt_and_mass(pixels.numpy(), 0.1)
    shapes = shapes_of(pixels.numpy(), 0.1)
    np.testing.assert_allclose(found[:, 1], np.maximum(mass, 1), rtol=1e-2)
    np.testing.assert_allclose(found[:, 2], (pixels.numpy() > 0).mean(axis=(1, 2)), rtol=1e-5)
    np.testing.assert_allclose(found[:, 3], shapes["image_centre_row"], atol=1e-5)
    np.testing.assert_allclose(found[:, 6], np.maximum(shapes["image_width_column"], 0.01), atol=1e-4)
    np.testing.assert_allclose(found[:, 7], shapes["image_dispersion"], rtol=1e-3)
    assert (found[:, 0] >= pt - 1e-3).all()
    observables.fit(pixels, (pixels > 0).float())
    scaled = observables(pixels, (pixels > 0).float())
    torch.testing.assert_close(scaled.mean(dim=0), torch.zeros(8), atol=1e-4, rtol=0)


def test_images_are_sparse_not_negative_and_follow_noise_and_class() -> None:
    torch.manual_seed(1)
    generator = ImageGenerator(SIZE, 8, (3, 3, 3), 2).eval()
    noise, background = torch.randn(5, generator.latent), torch.zeros(5, 1)
    with torch.inference_mode():
        made = generator(noise, background)
        assert made.shape == (5, SIZE, SIZE)
        assert (made >= 0).all()
        assert 0 < float((made == 0).float().mean()) < 1
        assert not torch.equal(made, generator(noise, background + 1))
        torch.testing.assert_close(made[2:3], generator(noise[2:3], background[2:3]))


def test_labels_are_flipped_as_often_as_asked() -> None:
    labels, rng = torch.arange(20_000).float() % 2, torch.Generator().manual_seed(1)
    torch.testing.assert_close(flipped(labels, 0.0, rng), labels)
    share = float((flipped(labels, 0.09, rng) != labels).float().mean())
    assert abs(share - 0.09) < 5 * (0.09 * 0.91 / 20_000) ** 0.5


def family() -> AuxiliaryClass:
    torch.manual_seed(2)
    generator, critic = ImageGenerator(SIZE, 8, (3, 3, 3), 2), ImageOpponent(SIZE, 0.1, (3, 3, 3), 8, 8)
    pixels = images(200)
    with torch.no_grad():
        generator.images.fit(pixels)
        critic.observables.fit(pixels, (pixels > 0).float())
    return AuxiliaryClass(generator, critic, ImageGame(0.1), latent=generator.latent, penalty_interval=4)


def test_each_players_loss_reaches_its_own_weights() -> None:
    players, rng = family(), torch.Generator().manual_seed(3)
    batch = {"image": images(32), "conditions": (torch.arange(32).float() % 2)[:, None]}
    for player, module in players.players().items():
        players.zero_grad(set_to_none=True)
        loss, scalars = players(player, batch, 0, rng)
        loss.backward()
        assert torch.isfinite(loss)
        assert all(parameter.grad is not None for parameter in module.parameters())
        assert all(torch.isfinite(scalar) for scalar in scalars.values())
