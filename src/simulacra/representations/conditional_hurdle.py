"""The cells of a shower as scores given the context: how probable is a hit, and how large, by a small network."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from simulacra.representations.conditional_quantiles import hit_logit, hit_score, logit_of_score, score_of_logit
from simulacra.representations.fitting import FittedToContext, bounded

#: largest change of the logit of an empty cell
MOST_LOGIT: Final = 12.0


class ConditionalHurdle(FittedToContext):
    r"""A hurdle model (Cragg, Econometrica 39 (1971) 829) of values (N, D), many of them 0, given a context (N, C).

    The quantiles of a value at the energy of its section
    (:class:`~simulacra.representations.conditional_quantiles.ConditionalQuantiles`) know how often it is 0 and how the
    others are distributed there, on average over all else. With s the logit of a value above 0 in these quantiles, and
    g0 that of the probability to be 0, a network given the context changes both:

    .. math::

        g_0 \to g_0 + d(\text{context}), \qquad s \to (s - m(\text{context})) / w(\text{context}).

    It is fitted by its likelihood, a Bernoulli and a logistic distribution, with independent components. Scores are
    then nearly standard normal at each context, zeros included: whether a rare cell is hit hangs on the number of hits
    in its section, and no mean of its score can say so, because that of an empty cell is drawn at random.

    It is fitted to logits s and thresholds g0 (N, D), and the context (N, C).
    """

    OUTPUTS = 3
    LABEL = "fitting hits of cells"

    def forward(self, context: Tensor, thresholds: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return g0, m and w, (N, D) each, given the context (N, C) and the thresholds (N, D) of the quantiles."""
        change, mean, log_width = self.network(context).chunk(3, dim=1)
        width = torch.exp(bounded(log_width))
        return thresholds + change.clamp(-MOST_LOGIT, MOST_LOGIT), mean, width

    def censored(self, logits: Tensor, thresholds: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Return the scores (N, D) of logits s, minus infinity for 0, and the scores below which a value is 0."""
        empty, mean, width = self(context, thresholds)
        hit = torch.isfinite(logits)
        inner = (torch.where(hit, logits, 0.0) - mean) / width
        return torch.where(hit, hit_score(inner, empty), -torch.inf), score_of_logit(empty)

    @staticmethod
    def excess(scores: Tensor, empty: Tensor) -> Tensor:
        """Return g - g0, (N, D), above 0 for hits, of scores (N, D) and thresholds g0 of :meth:`forward`."""
        return logit_of_score(scores) - empty

    @staticmethod
    def logits(excess: Tensor, empty: Tensor, mean: Tensor, width: Tensor) -> Tensor:
        """Return the logits s (N, D) of an excess above 0, given g0, m and w of :meth:`forward`."""
        return torch.addcmul(mean, hit_logit(excess, empty), width)

    def loss(self, logits: Tensor, thresholds: Tensor, context: Tensor) -> Tensor:  # type: ignore[override]
        """Return the mean negative log likelihood of a component."""
        empty, mean, width = self(context, thresholds)
        hit = torch.isfinite(logits)
        z = (torch.where(hit, logits, 0.0) - mean) / width
        of_hit = functional.softplus(empty) + z + 2.0 * functional.softplus(-z) + width.log()
        return torch.where(hit, of_hit, functional.softplus(-empty)).mean()
