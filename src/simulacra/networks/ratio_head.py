"""A network from an event's summary and the simulator's parameters to the log of a ratio of densities."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from simulacra.networks.deep_sets import perceptron


class RatioHead(nn.Module):
    r"""Map summaries and parameters to log p(x|theta) / p(x|theta_0), or summaries alone to one log-odds.

    With parameters, the head is :math:`h(z, \theta) - h(z, \theta_0)`, which is 0 at theta_0 without training.

    Parameters
    ----------
    summary:
        length of an event's summary.
    parameters:
        number of parameters; 0 for a plain classifier.
    widths:
        hidden widths.
    """

    def __init__(self, summary: int, parameters: int, widths: Sequence[int] = (64, 64)) -> None:
        super().__init__()
        self.n_parameters = parameters
        self.network = perceptron([summary + parameters, *widths, 1])

    def forward(self, summary: Tensor, theta: Tensor | None = None, reference: Tensor | None = None) -> Tensor:
        """Map summaries (..., S), and parameters (..., P) with their reference (P,), all of order 1, to (...)."""
        if self.n_parameters == 0 or theta is None or reference is None:
            odds: Tensor = self.network(summary)[..., 0]
            return odds
        at_theta = self.network(torch.cat([summary, theta], dim=-1))
        at_reference = self.network(torch.cat([summary, reference.expand_as(theta)], dim=-1))
        difference: Tensor = (at_theta - at_reference)[..., 0]
        return difference
