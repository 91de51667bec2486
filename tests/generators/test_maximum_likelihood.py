"""Maximum likelihood in the loop's terms."""

import pytest
import torch
from torch import Tensor, nn

from simulacra.generators.maximum_likelihood import MaximumLikelihood


class Normal(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(1))


class Likelihood:
    def log_likelihood(self, module: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        return -0.5 * (batch["x"] - module.mean) ** 2


def test_its_minimum_is_the_mean() -> None:
    family = MaximumLikelihood(Normal(), Likelihood())
    rng = torch.Generator().manual_seed(1)
    x = torch.randn(500, generator=rng) + 3.0
    ((name, module),) = family.players().items()
    optimizer = torch.optim.LBFGS(module.parameters(), max_iter=50)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss, logs = family(name, {"x": x}, 0, rng)
        assert logs == {}
        loss.backward()
        return loss

    optimizer.step(closure)
    family.after_step(0)
    assert float(family.average.mean.detach()) == pytest.approx(float(x.mean()), abs=1e-4)


def test_there_is_one_player() -> None:
    with pytest.raises(ValueError, match="no player 'critic'"):
        MaximumLikelihood(Normal(), Likelihood())("critic", {"x": torch.zeros(2)}, 0, torch.Generator())


def test_the_average_follows_the_module() -> None:
    family = MaximumLikelihood(Normal(), Likelihood(), average_decay=0.5)
    family.module.mean.data.fill_(1.0)
    assert float(family.average.mean) == 0.0
    for step in range(100, 103):
        family.after_step(step)
    assert float(family.average.mean) == pytest.approx(1 - 0.5**3)
    assert [name for name, one in family.average.named_parameters() if one.requires_grad] == []
