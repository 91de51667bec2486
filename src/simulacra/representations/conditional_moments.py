"""Points relative to what is expected of them: their mean and width given the context, by a small network."""

from __future__ import annotations

import torch
from torch import Tensor

from simulacra.representations.fitting import FittedToContext, bounded


class ConditionalMoments(FittedToContext):
    """An invertible map of points (N, D), given a context (N, C): minus the mean expected there, over the width.

    A generator whose scores are right on average over all conditions still has to learn how they move with the
    conditions, and often knows them much better there than their overall width says: where a shower enters decides
    which of two neighbouring cells is hit. Mean and width are therefore fitted first, by the likelihood of a normal
    distribution (Nix and Weigend, Proc. IEEE ICNN 1994), with independent components. A generator learns the rest in
    units of what is left to learn.

    It is fitted to points (N, D) and their context (N, C).
    """

    OUTPUTS = 2
    LABEL = "fitting means and widths of sections"

    def forward(self, points: Tensor, context: Tensor) -> Tensor:
        """Return points (N, D) relative to their mean, in their width, given the context (N, C)."""
        mean, log_width = self._moments(context)
        return (points - mean) * torch.exp(-log_width)

    def inverse(self, points: Tensor, context: Tensor) -> Tensor:
        """Return the points (N, D) of what :meth:`forward` returns."""
        mean, log_width = self._moments(context)
        return mean + points * torch.exp(log_width)

    def loss(self, points: Tensor, context: Tensor) -> Tensor:  # type: ignore[override]
        """Return the mean negative log likelihood of a component, without a constant."""
        mean, log_width = self._moments(context)
        return (0.5 * ((points - mean) * torch.exp(-log_width)).square() + log_width).mean()

    def _moments(self, context: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_width = self.network(context).chunk(2, dim=1)
        return mean, bounded(log_width)
