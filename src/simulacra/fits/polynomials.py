"""Products of Chebyshev polynomials up to a total degree, in coordinates that run from -1 to 1 over a box."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


def powers_up_to(degree: int, parameters: int, *, stretched: tuple[int, int] | None = None) -> np.ndarray:
    """Return the degree in each coordinate of each product, (C, F), those of a lower total degree first.

    ``stretched`` gives a coordinate and the factor by which its degree may exceed the total degree.
    """
    times = [1] * parameters
    if stretched is not None:
        times[stretched[0]] = stretched[1]
    ranges = [range(degree * t + 1) for t in times]
    products = [
        p for p in itertools.product(*ranges) if sum(d / t for d, t in zip(p, times, strict=True)) <= degree + 1e-9
    ]
    return np.array(sorted(products, key=lambda p: (sum(p), p)), dtype=np.int64).reshape(len(products), parameters)


def chebyshev_products(x: Tensor, powers: np.ndarray) -> Tensor:
    """Return the products, (..., C), at coordinates (..., F), of the degrees (C, F)."""
    import torch

    highest = int(powers.max(initial=0))
    product = None
    for column in range(powers.shape[1]):
        one = x[..., column]
        ladder = [torch.ones_like(one), one]
        for _ in range(2, highest + 1):
            ladder.append(2.0 * one * ladder[-1] - ladder[-2])
        chosen = torch.stack(ladder, dim=-1)[..., torch.from_numpy(powers[:, column])]
        product = chosen if product is None else product * chosen
    if product is None:
        raise ValueError("polynomials need at least one coordinate")
    return product
