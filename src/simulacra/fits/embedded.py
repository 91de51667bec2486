"""The events of a fit: embedded once by each member of the ensemble, with their weights, and checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simulacra.statistics.distances.two_sample import effective_size

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class EmbeddedEvents:
    """Events embedded by networks.

    Attributes
    ----------
    embeddings:
        one (N, L) tensor for all members of the ensemble, or one per member.
    weights:
        of the events, (N,) float64; some may be negative, their sum may not.
    label:
        their name in messages, such as "data".
    """

    embeddings: tuple[Tensor, ...]
    weights: np.ndarray
    label: str

    def __len__(self) -> int:
        return len(self.weights)

    @property
    def shares(self) -> np.ndarray:
        """The weights, (N,), scaled to a sum of 1."""
        shares: np.ndarray = self.weights / self.weights.sum()
        return shares

    @property
    def effective_size(self) -> float:
        """The number of events of weight 1 with the same relative fluctuation: (sum w)^2 / sum w^2."""
        return effective_size(self.weights)

    def of_member(self, member: int) -> Tensor:
        """Return the events as embedded by this member of the ensemble, (N, L)."""
        return self.embeddings[member if len(self.embeddings) > 1 else 0]

    def only(self, member: int) -> EmbeddedEvents:
        """Return the events with the embedding of this member only."""
        return EmbeddedEvents((self.of_member(member),), self.weights, self.label)

    def reweighted(self, factors: np.ndarray) -> EmbeddedEvents:
        """Return the events with their weights multiplied by (N,) factors, without those of factor 0."""
        import torch

        kept = np.flatnonzero(factors != 0)
        rows = torch.from_numpy(kept)
        return EmbeddedEvents(
            tuple(z[rows.to(z.device)] for z in self.embeddings), self.weights[kept] * factors[kept], self.label
        )

    def select(self, rows: np.ndarray) -> EmbeddedEvents:
        """Return the events at these positions, an integer array (n,)."""
        import torch

        chosen = torch.from_numpy(np.asarray(rows, dtype=np.int64))
        return embedded(tuple(z[chosen.to(z.device)] for z in self.embeddings), self.weights[rows], label=self.label)


def embedded(
    embeddings: Tensor | Sequence[Tensor], weights: np.ndarray | None = None, *, label: str = "data"
) -> EmbeddedEvents:
    """Return checked events.

    Parameters
    ----------
    embeddings:
        (N, L), for all members of an ensemble, or one such tensor per member.
    weights:
        (N,); 1 by default.
    label:
        their name in messages.

    Raises
    ------
    ValueError
        if there are no events, shapes do not fit, a number is NaN or infinite, or the weights' sum is not positive.
    """
    import torch

    tensors = (embeddings,) if isinstance(embeddings, torch.Tensor) else tuple(embeddings)
    if not tensors or len(tensors[0]) == 0:
        raise ValueError(f"there are no {label} events; a fit needs some")
    n = len(tensors[0])
    for number, z in enumerate(tensors):
        if z.ndim != 2 or len(z) != n:
            raise ValueError(f"{label}: embedding {number} has the shape {tuple(z.shape)}, not ({n}, L)")
        if not z.is_floating_point():
            raise ValueError(f"{label}: embedding {number} is of type {z.dtype}, not floating point")
        bad = ~torch.isfinite(z).all(dim=1)
        if bool(bad.any()):
            raise ValueError(
                f"{label}: the embedding of event {int(bad.nonzero()[0, 0])} is NaN or infinite "
                f"({int(bad.sum())} of {n} events are); remove these events or correct their inputs"
            )
    # Tensors made in inference mode refuse all derivatives, even those by theta alone; copies do not.
    plain = tuple(z.clone() if z.is_inference() else z.detach() for z in tensors)
    return EmbeddedEvents(plain, _checked(weights, n, label), label)


def _checked(weights: np.ndarray | None, n: int, label: str) -> np.ndarray:
    if weights is None:
        return np.ones(n)
    checked = np.array(weights, dtype=np.float64)
    if checked.shape != (n,):
        raise ValueError(f"{label}: weights have the shape {checked.shape}, not ({n},)")
    if not np.isfinite(checked).all():
        event = int(np.flatnonzero(~np.isfinite(checked))[0])
        raise ValueError(f"{label}: the weight of event {event} is {checked[event]}; weights must be finite")
    if not np.any(checked):
        raise ValueError(f"{label}: all {n} weights are zero; nothing is left to fit")
    if checked.sum() <= 0:
        raise ValueError(
            f"{label}: the weights sum to {checked.sum():.4g}; negative weights must not outweigh the positive ones"
        )
    return checked
