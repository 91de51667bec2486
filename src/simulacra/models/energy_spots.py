r"""Energy spots: a cell of expected energy :math:`\mu` holds a Poisson number of spots, of exponential energies.

Grindhammer and Peters (hep-ex/0001020, section 3.3) build a shower from spots, whose number fluctuates. With
independent spots, the numbers in the cells are Poisson distributed and, at a given total, multinomial. Here these
numbers are drawn directly. The paper's spots have equal energies; exponential ones, of mean :math:`\theta`, give a cell
a density that can be fitted:

.. math:: P(0) = e^{-\lambda}, \quad
    p(e) = \frac{e^{-\lambda - e/\theta}}{e} \sqrt{\lambda e/\theta}\; I_1\!\left(2\sqrt{\lambda e/\theta}\right),
    \quad \lambda = \mu/\theta.

Numbers are quantiles at standard normal noise, so a shower is a function of its noise, also in ONNX.
"""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor

COUNTED: Final = 8.0
"""Up to this mean a Poisson quantile is computed by counting, above it by its Cornish-Fisher expansion."""
MOST_COUNTED: Final = 22


def upper_tail(z: Tensor) -> Tensor:
    """Return the probability that a standard normal number is above ``z``, any shape, never 0."""
    return (0.5 - 0.5 * torch.erf(z * math.sqrt(0.5))).clamp(min=1e-7)


def poisson_number(mean: Tensor, z: Tensor) -> Tensor:
    """Return the quantile of a Poisson distribution at standard normal noise, of any shape."""
    tail = upper_tail(z)
    small = mean.clamp(max=COUNTED)
    mass = torch.exp(-small)
    above = -torch.expm1(-small)
    number = torch.zeros_like(mean)
    for k in range(1, MOST_COUNTED + 1):
        number = number + (tail < above).to(mean.dtype)
        mass = mass * small / k
        above = above - mass
    expanded = torch.floor(mean + torch.sqrt(mean.clamp(min=1e-12)) * z + (z * z - 1.0) / 6.0 + 0.5)
    return torch.where(mean < COUNTED, number, expanded.clamp(min=0.0))


def energy_of_spots(number: Tensor, z: Tensor, second: Tensor) -> Tensor:
    """Return the sum of ``number`` exponential energies of mean 1 at two standard normal numbers, of any shape.

    Exact for 0 and 1 (half the sum of two squares); from 2 on by Wilson and Hilferty's cube root (Proc. Natl. Acad.
    Sci. 17, 1931, 684) of the first number.
    """
    several = number.clamp(min=1.0)
    root = (1.0 - 1.0 / (9.0 * several) + z / (3.0 * torch.sqrt(several))).clamp(min=0.0)
    energy = torch.where(number < 1.5, 0.5 * (z * z + second * second), several * root * root * root)
    return torch.where(number < 0.5, torch.zeros_like(energy), energy)


def log_likelihood(energy: Tensor, mean: Tensor, spot: Tensor) -> Tensor:
    """Return the log-likelihood of cells' energies given their means and the mean energy of a spot, all of one shape.

    For cells with energy, without the term -ln e, which does not depend on parameters.
    """
    expected = (mean / spot).clamp(min=1e-12)
    found = (energy / spot).clamp(min=1e-12)
    product = torch.sqrt(expected * found)
    # i1e(x) = exp(-x) I_1(x), and 2 sqrt(ab) - a - b = -(sqrt a - sqrt b)^2 keeps large numbers small.
    scaled = torch.special.i1e(2.0 * product).clamp(min=1e-30)
    some = torch.log(product) + torch.log(scaled) - (torch.sqrt(expected) - torch.sqrt(found)) ** 2
    return torch.where(energy > 0, some, -expected)
