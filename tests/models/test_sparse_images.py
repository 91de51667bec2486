"""Sparse images: the likelihood against brute force, the order of the pixels, and draws against the likelihood."""

import copy
import itertools

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from simulacra.models.sparse_images import SparseImages, with_fixed_weights
from simulacra.networks.sparse_autoregression import RelativeWeights, neighbours, spiral
from toy_images import toy_images


def model_of(size: int, windows: tuple[int, ...], seed: int = 1, spread: float = 0.4) -> SparseImages:
    """Return a model with random weights, in double precision."""
    torch.manual_seed(seed)
    model = SparseImages(
        size, windows, 2, width=8, depth=1, reach=2, value_reach=1, value_width=6, components=2
    ).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(spread * torch.randn_like(parameter))
        # Far above the images of these tests: with random weights, nothing but sums as large as this would count.
        model.total.fill_(40.0 * size * size)
    return model


def images_of(n: int, size: int, share: float = 0.4, seed: int = 2) -> Tensor:
    rng = np.random.default_rng(seed)
    there = rng.random((n, size, size)) < share
    return torch.tensor(np.where(there, np.exp(rng.uniform(-2.5, 2.5, there.shape)), 0.0))


CLASSES = torch.tensor([[0.0], [1.0]], dtype=torch.float64)


def test_the_spiral_visits_each_pixel_once_and_windows_first() -> None:
    places = spiral(7)
    assert len({tuple(place) for place in places.tolist()}) == 49
    assert places[0].tolist() == [3, 3]
    assert bool(((places[1:] - places[:-1]).abs().sum(dim=1) == 1).all())
    for window in (1, 3, 5, 7):
        assert int((places[: window**2] - 3).abs().max()) == window // 2


def test_direct_weights_depend_on_the_distance_and_reach_later_pixels_only() -> None:
    places = spiral(5)
    weights = RelativeWeights(places, 9, 2)
    with torch.no_grad():
        weights.table.copy_(torch.arange(50.0).reshape(25, 2) + 1)
    earlier, own = weights()
    whole = torch.cat([earlier.reshape(9, 2, 16), own.reshape(16, 2, 16)])
    for i, j in itertools.product(range(25), range(16)):
        down, right = (places[9 + j] - places[i]).tolist()
        near = max(abs(down), abs(right)) <= 2 and i < 9 + j
        expected = weights.table[(down + 2) * 5 + right + 2].tolist() if near else [0.0, 0.0]
        assert whole[i, :, j].tolist() == expected
    near = neighbours(places, 9, 1)
    for j in range(16):
        found = {int(i) for i in near[j] if i < 25}
        assert found == {i for i in range(9 + j) if int((places[i] - places[9 + j]).abs().max()) <= 1}


def by_pixels(model: SparseImages, image: Tensor, kind: int) -> float:
    """Return the log-likelihood pixel by pixel, each from an image in which all later pixels are 0."""
    pixels = image.flatten()[model.order]
    until = torch.tril(pixels.expand(len(pixels), -1))[:, model.back].reshape(-1, *image.shape)
    each = model.log_prob_of_pixels(until, CLASSES[[kind] * len(pixels)]).flatten(1)[:, model.order]
    return float(each.diagonal().sum())


@pytest.mark.parametrize("windows", [(), (1,), (3,)])
def test_the_likelihood_is_that_of_pixel_after_pixel(windows: tuple[int, ...]) -> None:
    model = model_of(5, windows)
    images = images_of(4, 5)
    with torch.no_grad():
        for kind in (0, 1):
            found = model.log_prob(images, CLASSES[[kind] * 4])
            expected = [by_pixels(model, image, kind) for image in images]
            np.testing.assert_allclose(found.numpy(), expected, rtol=1e-10)


@pytest.mark.parametrize("windows", [(), (1,)])
def test_probabilities_add_up_to_one(windows: tuple[int, ...]) -> None:
    """The density of each of 3 x 3 pixels by integration, and the gates of all 512 patterns by their sum."""
    model = model_of(3, windows)
    low, high = (float(model.centre + model.spread * edge) for edge in (model.low, model.high))
    grid = torch.exp(torch.linspace(low + 1e-9, high - 1e-9, 1001, dtype=torch.float64))
    values = torch.cat([torch.zeros(1, dtype=torch.float64), grid])
    before = torch.tril(images_of(1, 3).flatten().expand(9, -1), -1)
    pixels = before[:, None].repeat(1, len(values), 1)
    pixels[torch.arange(9), :, torch.arange(9)] = values
    with torch.no_grad():
        for kind in (0, 1):
            images = pixels.flatten(0, 1)[:, model.back].reshape(-1, 3, 3)
            each = model.log_prob_of_pixels(images, CLASSES[[kind] * len(images)]).flatten(1)[:, model.order]
            density = torch.exp(each.reshape(9, -1, 9)[torch.arange(9), :, torch.arange(9)])
            integral = density[:, 0] + torch.trapezoid(density[:, 1:], grid)
            np.testing.assert_allclose(integral.numpy(), 1, atol=1e-3)
        # With all scores 0, the gates are a distribution of the 512 patterns.
        patterns = torch.tensor(list(itertools.product((0.0, 1.0), repeat=9)), dtype=torch.float64)
        features = torch.stack([patterns, torch.zeros_like(patterns), patterns], dim=2)
        total = torch.zeros(len(patterns), dtype=torch.float64)
        for scale in model.scales:
            gate, _ = scale.log_probability(
                features[:, : scale.entries], torch.zeros(len(patterns), dtype=torch.int64), model.low, model.high
            )
            total += gate.sum(dim=1)
        assert float(torch.exp(total).sum()) == pytest.approx(1, abs=1e-10)


@pytest.mark.parametrize("windows", [(), (3,)])
def test_no_pixel_depends_on_a_later_one(windows: tuple[int, ...]) -> None:
    model = model_of(5, windows)
    image, order = images_of(1, 5).expand(25, -1, -1), model.order.tolist()
    with torch.no_grad():
        before = model.log_prob_of_pixels(image, CLASSES[[0] * 25]).flatten(1)[:, order]
        changed = image.flatten(1).clone()
        own = changed[torch.arange(25), order]
        changed[torch.arange(25), order] = torch.where(own > 0, 0.0, 1.3).double()
        after = model.log_prob_of_pixels(changed.reshape(-1, 5, 5), CLASSES[[0] * 25]).flatten(1)[:, order]
    # Row i: the i-th pixel is changed.
    difference = (after - before).abs()
    assert float(torch.tril(difference, -1).max()) < 1e-12
    assert float(difference.diagonal().min()) > 1e-6
    assert bool((torch.triu(difference, 1)[:-1].amax(dim=1) > 1e-6).all())
    image = image.clone().requires_grad_()
    terms = model.log_prob_of_pixels(image, CLASSES[[0] * 25]).flatten(1)[:, order]
    (gradient,) = torch.autograd.grad(terms.diagonal().sum(), image)
    # Row i: the gradient of the i-th pixel's likelihood.
    gradient = gradient.flatten(1)[:, order]
    assert bool((torch.triu(gradient, 1) == 0).all())
    assert bool((torch.tril(gradient, -1) != 0).any())


def naive(model: SparseImages, noise: Tensor, conditions: Tensor) -> Tensor:
    """Return images drawn with one evaluation of the whole likelihood for each pixel; a pixel above 0 is 1."""
    uniform = torch.special.ndtr(noise.unflatten(1, (3, -1)))
    order = model.order.tolist()
    image = torch.zeros(len(noise), model.size, model.size, dtype=noise.dtype)
    for i, pixel in enumerate(order):
        empty = torch.exp(model.log_prob_of_pixels(image, conditions).flatten(1)[:, pixel])
        there = uniform[:, 0, i] < 1 - empty
        image.flatten(1)[:, pixel] = torch.where(there, 1.0, 0.0)
    return image


def test_the_gates_of_draws_are_those_of_the_naive_sampler() -> None:
    # The score of each pixel is 1: with edges that close, the value says nothing.
    model = model_of(5, (3,))
    with torch.no_grad():
        model.low.fill_(-1e-9)
        model.high.fill_(1e-9)
        noise = torch.randn(40, model.latent, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
        conditions = CLASSES[torch.arange(40) % 2]
        found = model(noise, conditions)
        np.testing.assert_array_equal((found > 0).numpy(), (naive(model, noise, conditions) > 0).numpy())
        fixed = with_fixed_weights(copy.deepcopy(model))
        torch.testing.assert_close(fixed(noise, conditions), found, rtol=0, atol=0)


def test_draws_have_the_likelihood() -> None:
    """How often each pattern of the first pixels is drawn, and the quantiles of the first pixel's value."""
    model = model_of(3, (1,))
    n = 8_000
    noise = torch.randn(n, model.latent, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    with torch.no_grad():
        drawn = model(noise, CLASSES[[1] * n])
        first = drawn.flatten(1)[:, model.order[0]]
        low, high = (float(model.centre + model.spread * edge) for edge in (model.low, model.high))
        grid = torch.exp(torch.linspace(low + 1e-9, high - 1e-9, 1001, dtype=torch.float64))
        images = torch.zeros(len(grid) + 1, 9, dtype=torch.float64)
        images[1:, model.order[0]] = grid
        each = model.log_prob_of_pixels(images.reshape(-1, 3, 3), CLASSES[[1] * len(images)])
    density = np.exp(each.flatten(1)[:, int(model.order[0])].numpy())
    share = float((first > 0).double().mean())
    # Five standard deviations.
    assert abs(share - (1 - density[0])) < 5 * np.sqrt(density[0] * (1 - density[0]) / n)
    steps = (density[2:] + density[1:-1]) / 2 * np.diff(grid.numpy())
    cumulative = np.concatenate([[0], np.cumsum(steps)]) / steps.sum()
    values = first[first > 0].numpy()
    assert stats.kstest(np.interp(values, grid.numpy(), cumulative), "uniform").pvalue > 1e-4
    with torch.no_grad():
        score = model.log_prob_of_pixels(drawn, CLASSES[[1] * n]).flatten(1)
    empty = drawn.flatten(1)[:, model.order[1]] == 0
    expected = torch.where(empty, torch.exp(score[:, model.order[1]]), torch.nan)
    # Given the first pixel, the second is empty as often as its gate says: the mean of 1{empty} / p(empty) is 1.
    ratio = torch.where(empty, 1 / expected.nan_to_num(1.0), 0.0).numpy()
    assert abs(ratio.mean() - 1) < 5 * ratio.std() / np.sqrt(n)


def test_what_cannot_be_an_image_is_refused() -> None:
    model = model_of(3, ())
    image = images_of(2, 3)
    with pytest.raises(ValueError, match=r"images must be \(N, 3, 3\), not \(2, 9\)"):
        model.log_prob(image.flatten(1), CLASSES)
    for wrong in (-0.1, float("nan"), float("inf")):
        broken = image.clone()
        broken[1, 0, 0] = wrong
        with pytest.raises(ValueError, match="a pixel is negative or not finite"):
            model.log_prob(broken, CLASSES)
    for wrong in (2.0, -1.0, 0.5):
        with pytest.raises(ValueError, match="a class is not one of 0 to 1"):
            model.log_prob(image, torch.full((2, 1), wrong))
    with pytest.raises(ValueError, match=r"classes must be \(2, 1\), not \(2,\)"):
        model.log_prob(image, CLASSES[:, 0])
    torch.testing.assert_close(model.log_prob(image.double(), CLASSES), model.log_prob(image, CLASSES))
    image[0, 0, 0] = 1e9
    found = model.log_prob(image, CLASSES)
    assert found[0] == -torch.inf
    assert torch.isfinite(found[1])
    for windows, size in (((4,), 9), ((5, 3), 9), ((9,), 9), ((3,), 8)):
        with pytest.raises(ValueError, match="must be odd, rising, and smaller"):
            model_of(size, windows)


def test_it_learns_how_often_pixels_are_lit_and_their_range() -> None:
    events = toy_images(160)
    image = torch.as_tensor(events["image"].values)
    conditions = torch.as_tensor(events["signal"].values.astype(np.float32))[:, None]
    torch.manual_seed(1)
    model = SparseImages(25, (9,), 2, width=16, depth=0, reach=3, value_reach=1, value_width=8, components=2)
    model.fit(image)
    before = float(model.log_prob(image, conditions).mean().detach())
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(50):
        optimizer.zero_grad()
        (-model.log_prob(image, conditions).mean()).backward()
        optimizer.step()
    with torch.no_grad():
        assert float(model.log_prob(image, conditions).mean()) > before + 10
        noise = torch.randn(160, model.latent, generator=torch.Generator().manual_seed(1))
        made = model(noise, conditions)
    assert bool((made >= 0).all())
    assert float(made.max()) <= 2.001 * float(image.max())
    assert float(made[made > 0].min()) >= 0.98 * float(image[image > 0].min())
    assert float((made > 0).float().mean()) == pytest.approx(float((image > 0).float().mean()), rel=0.15)
