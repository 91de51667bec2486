"""Fit a small network of a representation by the likelihood of events, before a generator is trained."""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Final

import torch
from torch import Tensor, nn

from simulacra.progress import part_progress

#: of a fit, which is short beside a training: at most this many steps, and passes through the events
STEPS: Final = 3000
EPOCHS: Final = 100
BATCH: Final = 512
#: share of the events, the last, by whose likelihood the step is chosen; steps between two looks
HELD_OUT: Final = 0.1
MOST_HELD_OUT: Final = 4096
LOOKS: Final = 20
LEARNING_RATE: Final = 2e-3

#: largest logarithm of a width, up or down
MOST_LOG_WIDTH: Final = 4.0

#: what a loss takes, for these rows of the events
Draw = Callable[[Tensor], tuple[Tensor, ...]]


def fit(module: nn.Module, loss: Callable[..., Tensor], draw: Draw, n: int, rng: torch.Generator, label: str) -> None:
    """Fit a module's parameters to ``n`` events; they need no gradient before or after.

    The last tenth of the events chooses the step at which to stop, so the mirror images of an event should be
    neighbours.

    Parameters
    ----------
    loss:
        the mean loss of what ``draw`` returns.
    draw:
        returns the loss's arguments for these rows of the events.
    label:
        of the progress bar.
    """
    trained = n - math.ceil(HELD_OUT * n)
    held_out = draw(torch.arange(trained, min(n, trained + MOST_HELD_OUT)))
    size = min(BATCH, trained)
    steps = min(STEPS, -(-EPOCHS * trained // size))
    optimizer = torch.optim.Adam(module.parameters(), LEARNING_RATE, betas=(0.9, 0.99))

    def likelihood() -> float:
        with torch.no_grad():
            return float(loss(*held_out))

    def kept() -> dict[str, Any]:
        return copy.deepcopy(module.state_dict())

    best, lowest = kept(), likelihood()
    module.requires_grad_(requires_grad=True)
    with part_progress(label, steps) as bar:
        for step in range(1, steps + 1):
            bar.update(step)
            for group in optimizer.param_groups:
                group["lr"] = LEARNING_RATE * 0.5 * (1.0 + math.cos(math.pi * step / steps))
            arguments = draw(torch.randint(trained, (size,), generator=rng))
            with torch.enable_grad():
                found = loss(*arguments)
                optimizer.zero_grad()
                found.backward()
            optimizer.step()
            if step % max(1, steps // LOOKS) == 0 and (found_now := likelihood()) < lowest:
                best, lowest = kept(), found_now
    module.load_state_dict(best)
    module.requires_grad_(requires_grad=False)


class Perceptron(nn.Module):
    """Two hidden layers and an output that begins at 0, without gradients until it is fitted.

    Parameters
    ----------
    inputs, width, outputs:
        of the layers.
    """

    def __init__(self, inputs: int, width: int, outputs: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(inputs, width), nn.Linear(width, width), nn.Linear(width, outputs)])
        nn.init.zeros_(self.layers[-1].weight)  # type: ignore[arg-type]
        nn.init.zeros_(self.layers[-1].bias)  # type: ignore[arg-type]
        self.requires_grad_(requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs (N, outputs) of inputs (N, inputs)."""
        first, second, last = self.layers
        found: Tensor = last(nn.functional.silu(second(nn.functional.silu(first(x)))))
        return found


class FittedToContext(nn.Module, ABC):
    """A perceptron of a representation that gives ``OUTPUTS`` numbers of each component, and the likelihood of events.

    Parameters
    ----------
    size, context:
        number of components of a point, and of its context.
    width:
        of the two hidden layers.
    """

    OUTPUTS: ClassVar[int]
    #: of the progress bar
    LABEL: ClassVar[str]

    def __init__(self, size: int, context: int, width: int = 128) -> None:
        super().__init__()
        self.network = Perceptron(context, width, self.OUTPUTS * size)

    def fit(self, draw: Draw, n: int, rng: torch.Generator) -> None:
        """Fit to ``n`` events; ``draw(rows)`` returns what the loss takes of these rows."""
        fit(self, self.loss, draw, n, rng, self.LABEL)

    @abstractmethod
    def loss(self, *arguments: Tensor) -> Tensor:
        """Return the mean negative log likelihood of a component."""


def bounded(log_width: Tensor) -> Tensor:
    """Return the logarithms of widths between those of ``MOST_LOG_WIDTH``."""
    return MOST_LOG_WIDTH * torch.tanh(log_width / MOST_LOG_WIDTH)
