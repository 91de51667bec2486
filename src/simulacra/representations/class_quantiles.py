"""An increasing map from scores to values in each class, by tabulated quantiles: two look-ups and a straight line."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

#: values rise by at least this share of their range from node to node, so that they can be inverted
LEAST_RISE: Final = 1e-6


class ClassQuantiles(nn.Module):
    """An invertible map between values and scores that have a given distribution in each class.

    Values are linear in the score between nodes at equal distances. Nothing is made beyond the lowest and the highest
    value of the sample. Unlike :class:`~simulacra.representations.conditional_quantiles.ConditionalQuantiles` it knows
    no zeros and no conditions between classes, and is several times faster.

    Parameters
    ----------
    probabilities:
        distribution function of the scores at the nodes, rising, (K,).
    lowest, spacing:
        score of the first node, and distance of the nodes.
    classes:
        number of classes.
    """

    values: Tensor
    probabilities: Tensor

    def __init__(self, probabilities: Tensor, lowest: float, spacing: float, classes: int) -> None:
        super().__init__()
        self.lowest, self.spacing = lowest, spacing
        self.nodes = len(probabilities)
        self.register_buffer("probabilities", probabilities.double(), persistent=False)
        self.register_buffer("values", torch.linspace(0, 1, self.nodes).repeat(classes, 1))

    def fit(self, values: Tensor, kind: Tensor) -> None:
        """Fit to values (N,) of the classes (N,); a class without values stays as it was."""
        for one in kind.unique().long().tolist():
            here = values[kind == one].double().sort().values
            # torch.quantile takes no more than 16 million values.
            place = self.probabilities * (len(here) - 1)
            low = place.floor().long()
            found = torch.lerp(here[low], here[(low + 1).clamp(max=len(here) - 1)], place - low)
            rise = LEAST_RISE * (found[-1] - found[0]).clamp(min=LEAST_RISE)
            steps = found.diff().clamp(min=float(rise))
            self.values[one] = torch.cat([found[:1], found[0] + steps.cumsum(dim=0)]).to(self.values)

    def forward(self, values: Tensor, kind: Tensor) -> Tensor:
        """Return the scores (N,) of values (N,) in the classes (N,)."""
        table = self.values[kind.long()]
        node = ((values[:, None] >= table).to(torch.long).sum(dim=1, keepdim=True) - 1).clamp(0, self.nodes - 2)
        low, high = (table.gather(1, at).squeeze(1) for at in (node, node + 1))
        within = ((values - low) / (high - low)).clamp(0.0, 1.0)
        return self.lowest + self.spacing * (node.squeeze(1) + within)

    def inverse(self, scores: Tensor, kind: Tensor) -> Tensor:
        """Return the values of scores in the classes; both of any one shape."""
        # Of the table's precision also where scores have less, as in mixed precision.
        place = ((scores.to(self.values.dtype) - self.lowest) / self.spacing).clamp(0.0, self.nodes - 1.0)
        node = place.detach().floor().clamp(max=self.nodes - 2.0)
        index = (kind * self.nodes + node).long()
        flat = self.values.flatten()
        return torch.lerp(flat[index], flat[index + 1], place - node)
