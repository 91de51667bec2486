r"""Energy correlation functions (Larkoski, Salam and Thaler, arXiv:1305.0007, equations 2.1 and 2.2, for e+e-).

.. math::

    \mathrm{ECF}(2, \beta) = \sum_{i<j} E_i E_j \theta_{ij}^\beta, \qquad
    \mathrm{ECF}(3, \beta) = \sum_{i<j<k} E_i E_j E_k (\theta_{ij} \theta_{ik} \theta_{jk})^\beta

with the angle :math:`\theta` between two particles, here divided by the square and the cube of the visible energy.
"""

from __future__ import annotations

import numpy as np


def energy_correlations(
    momentum: np.ndarray, energy: np.ndarray, *, beta: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    r"""Return ECF(2) and ECF(3) over the square and the cube of the summed energy, (N,) each; 0 without energy.

    With the matrix :math:`W_{ij} = \sqrt{z_i z_j} \theta_{ij}^\beta`, where z are energy fractions, the triples are
    :math:`\mathrm{tr}\, W^3 / 6`: a product of matrices instead of a loop over triples.

    Parameters
    ----------
    momentum, energy:
        of each particle, zero if absent, (N, P, 3) and (N, P), [GeV]. A particle at rest has no direction and counts
        only in the summed energy.
    beta:
        the exponent of the angles, above 0.

    Raises
    ------
    ValueError
        if beta is not above 0.
    """
    if not 0 < beta < np.inf:
        raise ValueError(f"the exponent beta of energy correlations must be above 0, not {beta}")
    total = energy.sum(axis=1, keepdims=True)
    share = np.divide(energy, total, out=np.zeros_like(energy), where=total > 0)
    length = np.sqrt((momentum**2).sum(axis=2, keepdims=True))
    direction = np.divide(momentum, length, out=np.zeros_like(momentum), where=length > 0)
    share = np.where(length[..., 0] > 0, share, 0.0)
    cosine = direction @ direction.transpose(0, 2, 1)
    angle = np.arccos(np.clip(cosine, -1.0, 1.0, out=cosine), out=cosine)
    diagonal = np.arange(angle.shape[1])
    angle[:, diagonal, diagonal] = 0.0
    if beta != 1:
        angle **= beta
    pairs = ((angle @ share[..., None])[..., 0] * share).sum(axis=1) / 2
    root = np.sqrt(share)
    weighted = angle * root[:, :, None] * root[:, None, :]
    # the sum of the elementwise product is the trace of the cube, because W is symmetric
    triples = np.einsum("nij,nij->n", weighted @ weighted, weighted) / 6
    return pairs, triples
