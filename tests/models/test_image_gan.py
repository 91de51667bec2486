"""The generator and critic of images, their representation, and the family with an auxiliary class."""

import numpy as np
import pytest
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
    assert (x >= representation.floor() * (1 - 1e-6))[x > 0].all()


def test_a_networks_images_take_the_sums_of_their_scores() -> None:
    pixels = images()
    representation = PixelImages(SIZE, 3)
    representation.fit(pixels)
    logarithms = pixels.sum(dim=(1, 2)).log()
    score = (logarithms - logarithms.mean()) / logarithms.std()
    other = representation.to_sum(representation(pixels) * torch.linspace(0.1, 5, len(pixels))[:, None, None], score)
    torch.testing.assert_close(representation.inverse(other), pixels, rtol=1e-3, atol=1e-4)


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
        generator.images.smallest.fill_(0.1)
        made = generator(noise, background)
        assert (made[made > 0] >= 0.1 * (1 - 1e-5)).all()
        assert not torch.equal(made, generator(noise, background + 1))
        torch.testing.assert_close(made[2:3], generator(noise[2:3], background[2:3]))


def test_labels_are_flipped_as_often_as_asked() -> None:
    labels, rng = torch.arange(20_000).float() % 2, torch.Generator().manual_seed(1)
    torch.testing.assert_close(flipped(labels, 0.0, rng), labels)
    share = float((flipped(labels, 0.09, rng) != labels).float().mean())
    assert abs(share - 0.09) < 5 * (0.09 * 0.91 / 20_000) ** 0.5


def batch_of(n: int, seed: int = 1) -> dict[str, torch.Tensor]:
    events = toy_images(n, seed, size=SIZE)
    return {
        "image": torch.as_tensor(events["image"].values),
        "conditions": torch.as_tensor(events["signal"].values, dtype=torch.float32)[:, None],
    }


def family(*, told: bool = True) -> AuxiliaryClass:
    torch.manual_seed(2)
    generator, critic = ImageGenerator(SIZE, 8, (3, 3, 3), 2), ImageOpponent(SIZE, 0.1, (3, 3, 3), 8, 8, told=told)
    pixels = images(200)
    with torch.no_grad():
        generator.images.fit(pixels)
        critic.observables.fit(pixels, (pixels > 0).float())
    return AuxiliaryClass(generator, critic, ImageGame(0.1), latent=generator.latent, penalty_interval=4)


def test_each_players_loss_reaches_its_own_weights() -> None:
    players, rng = family(), torch.Generator().manual_seed(3)
    batch = batch_of(32)
    for player, module in players.players().items():
        players.zero_grad(set_to_none=True)
        loss, scalars = players(player, batch, 0, rng)
        loss.backward()
        assert torch.isfinite(loss)
        assert all(parameter.grad is not None for parameter in module.parameters())
        assert all(torch.isfinite(scalar) for scalar in scalars.values())


def test_the_critic_learns_the_class_of_real_images() -> None:
    players, rng = family(), torch.Generator().manual_seed(3)
    optimizers = {name: torch.optim.Adam(module.parameters(), lr=3e-3) for name, module in players.players().items()}
    for step in range(120):
        batch = batch_of(64, seed=step)
        for player, optimizer in optimizers.items():
            optimizer.zero_grad()
            players(player, batch, step, rng)[0].backward()
            optimizer.step()
    judged = batch_of(1_000, seed=10_000)
    seen = players.networks.real(players.generator, judged)
    with torch.no_grad():
        _, signal = players.networks.answers(players.generator, players.critic, seen, judged)
    accuracy = float(((signal > 0) == (judged["conditions"][:, 0] > 0)).float().mean())
    assert accuracy > 0.75


@pytest.mark.parametrize("told", [True, False])
def test_the_answer_real_depends_on_the_class_that_the_critic_is_told(told: bool) -> None:
    players, batch = family(told=told), batch_of(32)
    other = batch | {"conditions": 1 - batch["conditions"]}
    with torch.no_grad():
        seen = players.networks.real(players.generator, batch)
        answers = [players.networks.answers(players.generator, players.critic, seen, one)[0] for one in (batch, other)]
    assert torch.equal(*answers) is not told
