"""The last layer's posterior: spreads in closed form, what is kept and refused."""

import math

import pytest
import torch

from simulacra.generators.last_layer import LastLayerPosterior, is_posterior


def drawn(posterior: LastLayerPosterior, n: int) -> torch.Tensor:
    zero = {name: torch.zeros_like(tensor) for name, tensor in posterior.mean.items()}
    return torch.stack([torch.cat([t.flatten() for t in posterior.draw(zero, k).values()]) for k in range(n)])


def test_draws_have_the_covariance_of_swag() -> None:
    """Half the snapshots' covariance and half its diagonal: correlations are halved, variances whole.

    With 4000 draws a variance is known to 2.2 % and a correlation of 0.25 to 0.015: the tolerances are four of these.
    """
    rng = torch.Generator().manual_seed(1)
    shared = torch.randn(500, 1, generator=rng)
    walked = shared * torch.tensor([1.0, 2.0]) + torch.randn(500, 2, generator=rng) * torch.tensor([1.0, 2.0])
    posterior = LastLayerPosterior.of_snapshots([{"a": row[:1], "b": row[1:]} for row in walked])
    found, snapshots = torch.cov(drawn(posterior, 4000).T), torch.cov(walked.T)
    for i in range(2):
        assert float(found[i, i]) == pytest.approx(float(snapshots[i, i]), rel=0.09)
    correlation = found[0, 1] / (found[0, 0] * found[1, 1]).sqrt()
    expected = snapshots[0, 1] / (snapshots[0, 0] * snapshots[1, 1]).sqrt()
    assert float(expected) == pytest.approx(0.5, abs=0.1)
    assert float(correlation) == pytest.approx(float(expected) / 2, abs=0.06)


@pytest.mark.parametrize("rate", [0.05, 0.2])
def test_spread_of_a_linear_model_is_that_of_stochastic_gradient_descent(rate: float) -> None:
    r"""Least squares in one weight: with noisy gradients h w + s z and steps r the variance is r s^2 / (h (2 - r h)).

    Snapshots 60 steps apart are all but independent; 2000 know a variance to 3 %.
    """
    h, s, rng = 1.0, 0.5, torch.Generator().manual_seed(2)
    noise = torch.randn(2000 * 60, generator=rng).tolist()
    w, snapshots = 0.0, []
    for step, z in enumerate(noise):
        w -= rate * (h * w + s * z)
        if step % 60 == 59:
            snapshots.append({"w": torch.tensor([w])})
    expected = rate * s**2 / (h * (2 - rate * h))
    posterior = LastLayerPosterior.of_snapshots(snapshots)
    assert float(posterior.variance["w"]) == pytest.approx(expected, rel=0.2 if rate < 0.1 else 0.12)
    assert float(drawn(posterior, 3000).var()) == pytest.approx(expected, rel=0.25)
    assert abs(float(posterior.mean["w"])) < 5 * math.sqrt(expected / 200)


def test_draws_scatter_about_the_centre_and_hang_on_the_seed_alone() -> None:
    posterior = LastLayerPosterior.of_snapshots([{"w": torch.tensor([0.9, 1.0])}, {"w": torch.tensor([1.1, 1.0])}])
    centre = {"w": torch.tensor([5.0, 7.0]), "other": torch.zeros(3)}
    first = posterior.draw(centre, 3)
    assert set(first) == {"w"}
    assert torch.equal(first["w"], posterior.draw(centre, 3)["w"])
    assert not torch.equal(first["w"], posterior.draw(centre, 4)["w"])
    assert float(first["w"][1]) == 7.0, "a weight that did not move does not move"
    assert abs(float(first["w"][0]) - 5.0) < 1.0


def test_a_model_file_keeps_it_beside_the_weights() -> None:
    rng = torch.Generator().manual_seed(1)
    posterior = LastLayerPosterior.of_snapshots([{"w": torch.randn(2, 3, generator=rng)} for _ in range(4)])
    kept = posterior.tensors()
    assert all(map(is_posterior, kept))
    assert not is_posterior("last_layer.weight")
    again = LastLayerPosterior.of_tensors(kept | {"w": torch.zeros(2, 3)}, "x")
    assert again.snapshots == 4
    centre = {"w": torch.zeros(2, 3)}
    assert torch.equal(again.draw(centre, 1)["w"], posterior.draw(centre, 1)["w"])


def test_what_does_not_fit_is_refused() -> None:
    one = {"w": torch.zeros(2)}
    with pytest.raises(ValueError, match="1 snapshots of the last layer have no spread"):
        LastLayerPosterior.of_snapshots([one])
    with pytest.raises(ValueError, match="have different weights"):
        LastLayerPosterior.of_snapshots([one, {"v": torch.zeros(2)}])
    with pytest.raises(ValueError, match=r"here holds no snapshots .* --set training\.last_layer_snapshots=20"):
        LastLayerPosterior.of_tensors(one, "here")
    posterior = LastLayerPosterior.of_snapshots([one, one])
    kept = posterior.tensors()
    del kept["last_layer/variance/w"]
    with pytest.raises(ValueError, match="in here do not fit each other"):
        LastLayerPosterior.of_tensors(kept, "here")
    with pytest.raises(ValueError, match="no weights 'w' like those"):
        posterior.draw({"w": torch.zeros(3)}, 1)
