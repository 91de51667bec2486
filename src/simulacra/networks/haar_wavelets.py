"""Haar wavelets of fields in two dimensions: one orthonormal step to half the resolution, and back."""

from __future__ import annotations

import torch
from torch import Tensor


def decomposed(field: Tensor) -> tuple[Tensor, Tensor]:
    """Return the coarser field, (N, n / 2, m / 2), and its three details, (N, 3, n / 2, m / 2), of fields (N, n, m).

    Of each 2 x 2 pixels, the coarser field is half the sum; the details are half the differences along the first axis,
    along the second, and along both. The step is orthonormal, so that its log-volume is 0.

    >>> low, details = decomposed(torch.tensor([[[1.0, 2.0], [3.0, 6.0]]]))
    >>> low.tolist(), details.flatten().tolist()
    ([[[6.0]]], [-3.0, -2.0, 1.0])
    """
    top, bottom = field[:, ::2], field[:, 1::2]
    total, along = top + bottom, top - bottom
    low = total[..., ::2] + total[..., 1::2]
    second = total[..., ::2] - total[..., 1::2]
    first = along[..., ::2] + along[..., 1::2]
    both = along[..., ::2] - along[..., 1::2]
    return low / 2, torch.stack([first, second, both], dim=1) / 2


def composed(low: Tensor, details: Tensor) -> Tensor:
    """Return fields (N, n, m) of the coarser fields and their details: the inverse of :func:`decomposed`."""
    first, second, both = details.unbind(dim=1)
    total, along = _beside(low + second, low - second), _beside(first + both, first - both)
    rows = torch.stack([total + along, total - along], dim=2) / 2
    return rows.flatten(1, 2)


def _beside(even: Tensor, odd: Tensor) -> Tensor:
    """Return (N, n, 2 m) of the even and odd columns, (N, n, m) each."""
    return torch.stack([even, odd], dim=-1).flatten(2)
