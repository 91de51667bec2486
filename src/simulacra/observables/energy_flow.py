r"""Energy flow polynomials (Komiske, Metodiev and Thaler, arXiv:1712.07124) of jets, all prime ones of low degree.

A polynomial belongs to a connected multigraph; its degree is the number of edges,

.. math:: \mathrm{EFP}_G = \sum_{i_1} \cdots \sum_{i_N} z_{i_1} \cdots z_{i_N} \prod_{(k,l) \in G} \theta_{i_k i_l}

with the particles' shares z of the summed transverse momentum and their distances :math:`\theta = \Delta R^\beta`. All
of them up to degree four are products of the matrix :math:`\theta` with itself and with z, without explicit sums over
more than two particles.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

MOST_DEGREE: Final = 4


class _Sums:
    """Common quantities for one block of jets: z (N, P), powers of theta (N, P, P), sums of them."""

    def __init__(self, share: np.ndarray, distance: np.ndarray) -> None:
        self.z = share
        self.theta = distance
        self.power = {1: distance}
        for k in range(2, MOST_DEGREE + 1):
            self.power[k] = self.power[k - 1] * distance
        #: sum over j of z_j theta_ij^k
        self.a = {k: _product(power, share) for k, power in self.power.items()}
        #: sum over j of theta_ij z_j a_j
        self.b = _product(distance, share * self.a[1])
        #: sum over k of theta_ik z_k theta_kj
        self.t = (distance * share[:, None, :]) @ distance

    def over(self, values: np.ndarray) -> np.ndarray:
        """Return the sum over the particles of z times values, (N,)."""
        return np.asarray((self.z * values).sum(axis=1))

    def pairs(self, values: np.ndarray) -> np.ndarray:
        """Return the sum over pairs of particles of z_i z_j times values, (N,)."""
        return self.over(_product(values, self.z))


def _product(matrix: np.ndarray, vector: np.ndarray) -> np.ndarray:
    return np.asarray((matrix @ vector[..., None])[..., 0])


#: name, edges of the graph, and the polynomial from the shared sums
GRAPHS: Final[dict[str, tuple[tuple[tuple[int, int], ...], Callable[[_Sums], np.ndarray]]]] = {
    "line": (((0, 1),), lambda s: s.over(s.a[1])),
    "double_line": (((0, 1),) * 2, lambda s: s.over(s.a[2])),
    "wedge": (((0, 1), (0, 2)), lambda s: s.over(s.a[1] ** 2)),
    "triple_line": (((0, 1),) * 3, lambda s: s.over(s.a[3])),
    "wedge_2_1": (((0, 1), (0, 1), (0, 2)), lambda s: s.over(s.a[2] * s.a[1])),
    "triangle": (((0, 1), (1, 2), (2, 0)), lambda s: s.pairs(s.theta * s.t)),
    "chain_3": (((0, 1), (1, 2), (2, 3)), lambda s: s.over(s.a[1] * s.b)),
    "star_3": (((0, 1), (0, 2), (0, 3)), lambda s: s.over(s.a[1] ** 3)),
    "quadruple_line": (((0, 1),) * 4, lambda s: s.over(s.a[4])),
    "wedge_3_1": (((0, 1),) * 3 + ((0, 2),), lambda s: s.over(s.a[3] * s.a[1])),
    "wedge_2_2": (((0, 1), (0, 1), (0, 2), (0, 2)), lambda s: s.over(s.a[2] ** 2)),
    "triangle_2_1_1": (((0, 1), (0, 1), (1, 2), (2, 0)), lambda s: s.pairs(s.power[2] * s.t)),
    "chain_2_1_1": (((0, 1), (0, 1), (1, 2), (2, 3)), lambda s: s.over(s.a[2] * s.b)),
    "chain_1_2_1": (
        ((0, 1), (1, 2), (1, 2), (2, 3)),
        lambda s: s.over(s.a[1] * _product(s.power[2], s.z * s.a[1])),
    ),
    "star_2_1_1": (((0, 1), (0, 1), (0, 2), (0, 3)), lambda s: s.over(s.a[2] * s.a[1] ** 2)),
    "square": (((0, 1), (1, 2), (2, 3), (3, 0)), lambda s: s.pairs(s.t**2)),
    "triangle_with_tail": (
        ((0, 1), (1, 2), (2, 0), (0, 3)),
        lambda s: s.over(s.a[1] * _product(s.theta * s.t, s.z)),
    ),
    "chain_4": (((0, 1), (1, 2), (2, 3), (3, 4)), lambda s: s.over(s.b**2)),
    "fork": (((0, 1), (0, 2), (0, 3), (3, 4)), lambda s: s.over(s.a[1] ** 2 * s.b)),
    "star_4": (((0, 1), (0, 2), (0, 3), (0, 4)), lambda s: s.over(s.a[1] ** 4)),
}


def energy_flow_polynomials(share: np.ndarray, distance: np.ndarray, *, degree: int = 3) -> dict[str, np.ndarray]:
    """Return the prime energy flow polynomials up to a degree, (N,) each, by the names of ``GRAPHS``.

    Parameters
    ----------
    share:
        share of the summed transverse momentum of each particle, 0 if absent, (N, P).
    distance:
        distance of each pair of particles, (N, P, P), symmetric and 0 on the diagonal.
    degree:
        the largest number of edges, 1 to 4: 1, 3, 8 or 20 polynomials.

    Raises
    ------
    ValueError
        if there are none for that degree.
    """
    if degree not in range(1, MOST_DEGREE + 1):
        raise ValueError(f"energy flow polynomials have degrees 1 to {MOST_DEGREE}, not {degree}")
    sums = _Sums(share, distance)
    return {name: polynomial(sums) for name, (edges, polynomial) in GRAPHS.items() if len(edges) <= degree}
