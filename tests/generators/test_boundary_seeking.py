"""The boundary-seeking family: a generator without any gradient through its events learns a known distribution."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from simulacra.generators.boundary_seeking import BoundarySeeking


class Counts(nn.Module):
    """Probabilities of the numbers 0 to 3 as logits."""

    def __init__(self) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(4))


class CountGame:
    def draw(
        self, generator: Any, batch: Mapping[str, Tensor], rng: torch.Generator
    ) -> tuple[dict[str, Tensor], Tensor]:
        drawn = torch.multinomial(torch.softmax(generator.logits, 0), len(batch["count"]), True, generator=rng)
        return {"count": drawn}, drawn

    def log_probability(self, generator: Any, decided: Tensor) -> Tensor:
        return torch.log_softmax(generator.logits, 0)[decided]

    def real(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"count": batch["count"]}

    def criticise(self, generator: Any, critic: Any, seen: Mapping[str, Tensor], batch: Mapping[str, Tensor]) -> Tensor:
        return critic(nn.functional.one_hot(seen["count"], 4).float())[:, 0]


def test_it_learns_the_probabilities_of_numbers() -> None:
    truth = torch.tensor([0.5, 0.05, 0.15, 0.3])
    rng = torch.Generator().manual_seed(1)
    torch.manual_seed(1)
    family = BoundarySeeking(Counts(), nn.Linear(4, 1), CountGame(), average_decay=0.98)
    # A critic that is slower than the generator gives late weights, and the two chase each other.
    rates = {"critic": 0.1, "generator": 0.02}
    players = {name: torch.optim.Adam(module.parameters(), rates[name]) for name, module in family.players().items()}
    for step in range(300):
        batch = {"count": torch.multinomial(truth, 256, True, generator=rng)}
        for name, optimizer in players.items():
            optimizer.zero_grad()
            loss, _ = family(name, batch, step, rng)
            loss.backward()
            optimizer.step()
        family.after_step(step)
    learned = torch.softmax(family.average.logits, 0)
    torch.testing.assert_close(learned, truth, atol=0.03, rtol=0)


def test_the_generator_takes_the_events_of_the_critics_turn_of_the_same_step_only() -> None:
    family = BoundarySeeking(Counts(), nn.Linear(4, 1), CountGame())
    batch, rng = {"count": torch.tensor([0, 1, 2, 3])}, torch.Generator().manual_seed(2)
    family("critic", batch, 7, rng)
    state = rng.get_state()
    family("generator", batch, 7, rng)
    assert torch.equal(rng.get_state(), state)
    family("critic", batch, 8, rng)
    state = rng.get_state()
    family("generator", batch, 9, rng)
    assert not torch.equal(rng.get_state(), state)
