"""The optimizers that settings may ask for, on a module with one weight."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from simulacra.training.schedule import optimizer_of
from simulacra.training.settings import TrainingSettings
from tiny_calogan import toy_experiment, toy_showers, toy_train, toy_trainer


def stepped(gradient: float, **settings: Any) -> float:
    """Return how far a step moves a weight of 2."""
    module = torch.nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        module.weight.fill_(2.0)
    optimizer = optimizer_of(TrainingSettings(**settings), "player", module)
    module.weight.grad = torch.full_like(module.weight, gradient)
    optimizer.step()
    return float(module.weight.detach()) - 2.0


def test_each_optimizer_takes_its_own_first_step() -> None:
    # Adam's first step is the learning rate whatever the gradient; that of gradient descent is proportional to it.
    assert stepped(3.0, learning_rate=0.1) == pytest.approx(-0.1, rel=1e-5)
    assert stepped(3.0, optimizer="sgd", learning_rate=0.1) == pytest.approx(-0.3)
    assert stepped(3.0, optimizer="adamw", learning_rate=0.1, weight_decay=0.5) == pytest.approx(-0.1 - 0.1 * 0.5 * 2)
    # Adam's decay is part of the gradient, whose size does not matter.
    assert stepped(3.0, learning_rate=0.1, weight_decay=0.5) == pytest.approx(-0.1, rel=1e-5)
    assert stepped(3.0, learning_rate=0.1, learning_rate_factors={"player": 2.0}) == pytest.approx(-0.2, rel=1e-5)


def test_clipping_bounds_a_step_and_leaves_small_gradients_alone(tmp_path: Path) -> None:
    def moved(clipping: float | None) -> float:
        """Return the largest change of a player's weights in one step of plain gradient descent at a rate of 1."""
        settings = {"optimizer": "sgd", "betas": (0.0, 0.9), "learning_rate": 1e-3, "gradient_clipping": clipping}
        experiment = toy_experiment(steps=1, validate_every=1, **settings)
        trainer = toy_trainer(experiment, toy_showers())
        before = {name: p.detach().clone() for name, p in trainer.family.generator.named_parameters()}
        toy_train(tmp_path / str(clipping), experiment, trainer=trainer)
        after = dict(trainer.family.generator.named_parameters())
        return float(torch.cat([(after[name] - p).detach().flatten() for name, p in before.items()]).norm())

    free = moved(None)
    assert free > 0
    assert moved(free * 1000 / 4) == pytest.approx(free / 4, rel=1e-3)
    assert moved(1e6) == pytest.approx(free, rel=1e-6)
