"""The adversarial family on networks so small that its losses and gradients are known."""

import math
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from simulacra.generators.adversarial import Adversarial


class Line(nn.Module):
    """x -> a x + b, in one dimension as in several."""

    def __init__(self, a: float, b: float) -> None:
        super().__init__()
        self.a, self.b = nn.Parameter(torch.tensor(a)), nn.Parameter(torch.tensor(b))
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        return self.a * x + self.b


class Plain:
    """The critic sees the events themselves; ``auxiliary`` is a known number."""

    def generate(self, generator: nn.Module, noise: Tensor, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"x": generator(noise)}

    def real(self, generator: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"x": batch["x"]}

    def criticise(
        self, generator: nn.Module, critic: nn.Module, seen: Mapping[str, Tensor], batch: Mapping[str, Tensor]
    ) -> Tensor:
        return critic(seen["x"]).sum(dim=1)

    def auxiliary(
        self, generator: nn.Module, critic: nn.Module, seen: Mapping[str, Tensor], batch: Mapping[str, Tensor]
    ) -> Tensor:
        return seen["x"].mean() * 0 + 0.25


def family(**options: Any) -> Adversarial:
    return Adversarial(Line(1.0, 0.5), Line(2.0, -1.0), Plain(), latent=3, **options)


def batch(n: int = 16) -> dict[str, Tensor]:
    return {"x": torch.randn(n, 3, generator=torch.Generator().manual_seed(1))}


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(2)


def softplus(x: Tensor) -> Tensor:
    return torch.log1p(torch.exp(x))


def test_losses_are_those_of_the_non_saturating_game() -> None:
    game, data = family(gradient_penalty=0.0), batch()
    fake = torch.randn(16, 3, generator=rng()) + 0.5
    logit_real, logit_fake = ((2 * x - 1).sum(dim=1) for x in (data["x"], fake))
    loss, logs = game("critic", data, 0, rng())
    torch.testing.assert_close(loss, (softplus(-logit_real) + softplus(logit_fake)).mean())
    expected = 0.5 * ((logit_real > 0).float().mean() + (logit_fake < 0).float().mean())
    torch.testing.assert_close(logs["accuracy"], expected)
    loss, logs = game("generator", data, 0, rng())
    torch.testing.assert_close(loss, softplus(-logit_fake).mean() + 0.25)
    assert float(logs["auxiliary"]) == 0.25


def test_least_squares_ask_for_1_of_real_and_0_of_generated_events() -> None:
    game, data = family(gradient_penalty=0.0, loss="least_squares"), batch()
    fake = torch.randn(16, 3, generator=rng()) + 0.5
    real, made = ((2 * x - 1).sum(dim=1) for x in (data["x"], fake))
    loss, logs = game("critic", data, 0, rng())
    torch.testing.assert_close(loss, (real - 1).square().mean() + made.square().mean())
    torch.testing.assert_close(logs["accuracy"], 0.5 * ((real > 0.5).float().mean() + (made < 0.5).float().mean()))
    loss, _ = game("generator", data, 0, rng())
    torch.testing.assert_close(loss, (made - 1).square().mean() + 0.25)


def test_penalty_of_a_linear_critic_is_its_slope_squared() -> None:
    gamma, interval, data = 3.0, 4, batch()
    with_penalty, without = family(gradient_penalty=gamma, penalty_interval=interval), family(gradient_penalty=0.0)
    for step in range(9):
        loss, plain = with_penalty("critic", data, step, rng())[0], without("critic", data, step, rng())[0]
        # |grad|^2 = 3 a^2 with a = 2 in three dimensions, on each event alike.
        expected = 0.5 * gamma * interval * 3 * 2.0**2 if step % interval == 0 else 0.0
        assert float((loss - plain).detach()) == pytest.approx(expected, abs=1e-4)


def test_gradient_of_the_penalty_reaches_the_critic() -> None:
    data, gradients = batch(), {}
    for gamma in (0.0, 3.0):
        game = family(gradient_penalty=gamma, penalty_interval=1)
        game("critic", data, 0, rng())[0].backward()
        gradients[gamma] = (float(game.critic.a.grad), float(game.critic.b.grad))
        assert game.generator.a.grad is None
        assert game.generator.b.grad is None
    # d/da of gamma/2 * 3 a^2 = 3 gamma a.
    assert gradients[3.0][0] - gradients[0.0][0] == pytest.approx(3 * 3.0 * 2.0, rel=1e-4)
    assert gradients[3.0][1] == pytest.approx(gradients[0.0][1], abs=1e-6)


def test_generator_goes_where_the_critic_says_real() -> None:
    game = family()
    game("generator", batch(), 0, rng())[0].backward()
    # The critic rises along x, so a larger b lowers the loss.
    assert float(game.generator.b.grad) < 0


def test_average_follows_the_weights_and_forgets_its_start() -> None:
    game = family(average_decay=0.9)
    with torch.no_grad():
        game.generator.a.fill_(2.0)
        game.generator.seen.fill_(5.0)
    game.after_step(0)
    assert float(game.average.a) == pytest.approx(0.1 * 1 + 0.9 * 2)  # decay 1/10 at the first step
    assert float(game.average.seen) == 5.0
    for step in range(90, 90 + 50):
        game.after_step(step)
    assert 2.0 - float(game.average.a) == pytest.approx(0.1 * 0.9**50, rel=1e-2)


def test_average_is_not_trained_and_not_shared() -> None:
    game = family()
    assert not any(parameter.requires_grad for parameter in game.average.parameters())
    assert not game.average.training
    players = {id(p) for module in game.players().values() for p in module.parameters()}
    assert list(game.players()) == ["critic", "generator"]
    assert not players & {id(p) for p in game.average.parameters()}


def test_noise_comes_from_the_given_generator_alone() -> None:
    game, data = family(), batch()
    torch.manual_seed(1)
    first = float(game("generator", data, 0, rng())[0].detach())
    torch.manual_seed(2)
    assert float(game("generator", data, 0, rng())[0].detach()) == first
    assert float(game("generator", data, 0, torch.Generator().manual_seed(3))[0].detach()) != first
    assert math.isfinite(first)
