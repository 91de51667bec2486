"""Whole numbers as normal scores by their exact distribution in each class."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from simulacra.representations.conditional_quantiles import NEVER, logit_of_score, score_of_logit


class CountScores(nn.Module):
    """An exact map between whole numbers n from 1 to a largest one, and scores that are standard normal in each class.

    A number owns an interval of scores of its probability in the class, in which its own score is drawn
    (dequantisation). Quantiles with nodes at fixed probabilities would blur a number that most events have, such as
    that of the places for particles.

    Parameters
    ----------
    largest:
        the largest number.
    classes:
        number of classes.
    """

    edges: Tensor

    def __init__(self, largest: int, classes: int) -> None:
        super().__init__()
        #: logits of the probabilities of at most 1, 2, ... largest - 1
        self.register_buffer("edges", torch.zeros(classes, largest - 1))

    def fit(self, count: Tensor, kind: Tensor) -> None:
        """Fit to numbers (N,) of events of the classes (N,); a class without events stays as it was."""
        for one in kind.unique().long().tolist():
            here = torch.bincount(count[kind == one].long(), minlength=self.edges.shape[1] + 2)[1:].double()
            below = here.cumsum(dim=0)[:-1]
            above = here.sum() - below
            self.edges[one] = (below / above).log().clamp(-NEVER, NEVER).to(self.edges)

    def forward(self, count: Tensor, kind: Tensor, uniform: Tensor) -> Tensor:
        """Return the scores (N,) of numbers (N,), of which one is drawn in its interval by ``uniform`` (N,)."""
        edges = self.edges[kind.long()].double()
        ends = torch.cat([torch.full_like(edges[:, :1], -NEVER), edges, torch.full_like(edges[:, :1], NEVER)], dim=1)
        place = count.long()[:, None]
        low, high = (torch.sigmoid(ends.gather(1, at))[:, 0] for at in (place - 1, place))
        probability = torch.lerp(low, high, uniform.double())
        # A number that the sample does not have owns no interval: it lies between its neighbours.
        logit = (probability.log() - torch.log1p(-probability)).clamp(-NEVER, NEVER)
        return score_of_logit(logit).to(uniform)

    def inverse(self, score: Tensor, kind: Tensor) -> Tensor:
        """Return the numbers (N,), as floats, of scores (N,) in the classes (N,)."""
        edges = self.edges[kind.round().long()]
        return 1.0 + (logit_of_score(score)[:, None] > edges).to(score.dtype).sum(dim=1)
