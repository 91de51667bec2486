r"""Distances of many observables at once, from projections on lines, all from the same sorted values.

Features are in standard deviations of the truth (:class:`simulacra.statistics.features.Features`), and so are W1 along
a line and the energy distance (to the first power). With directions :math:`\theta` of length 1 and the distributions
:math:`F_\theta` of the projections :math:`\theta \cdot x`,

* *mean Kolmogorov-Smirnov* and *mean 1-Wasserstein* are the means over the features' own axes;
* *sliced Kolmogorov-Smirnov* and *sliced 1-Wasserstein* are the means over the directions (Bonneel et al., J. Math.
  Imaging Vis. 51 (2015) 22), *max-sliced 1-Wasserstein* the largest of them (arXiv:1904.05877);
* the *energy distance* :math:`2E|X - Y| - E|X - X'| - E|Y - Y'|` in F dimensions (Szekely and Rizzo, J. Stat. Plan.
  Inference 143 (2013) 1249) is also a mean over all directions, because :math:`|x|` is a mean of
  :math:`|\theta \cdot x|`:

  .. math::
      E(X, Y) = \sqrt{\pi}\, \frac{\Gamma((F + 1) / 2)}{\Gamma(F / 2)}
          \left\langle 2 \int (F_\theta^t(s) - F_\theta^g(s))^2 ds \right\rangle_\theta .

Directions are the rows of random rotations, complete ones if possible. Each direction is uniform on the sphere, and
together they cover all axes, which makes the mean over few of them more precise. They are part of the distances'
definition: errors and null distributions keep them fixed.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from simulacra.statistics.distances.divisions import Replicates
from simulacra.statistics.distances.two_sample import (
    ENERGY,
    KOLMOGOROV_SMIRNOV,
    WASSERSTEIN,
    Distance,
    Lines,
    largest_scores,
    mean_scores,
)
from simulacra.statistics.features import Features

DIRECTIONS: Final = 64


def slice_distances(
    features: Features, replicates: Replicates, rng: np.random.Generator, directions: int = DIRECTIONS
) -> dict[str, Distance]:
    """Return the distances of all features at once.

    Parameters
    ----------
    features:
        of truth and generated events, (N, F) and (M, F).
    replicates:
        for these events' weights, with halves of the given truth.
    rng:
        for the directions.
    directions:
        smallest number; rounded up to complete rotations if F is smaller.

    Returns
    -------
    dict
        "mean_kolmogorov_smirnov", "mean_wasserstein", "sliced_kolmogorov_smirnov", "sliced_wasserstein",
        "max_sliced_wasserstein" and "energy_distance".
    """
    n_features = features.truth.shape[1]
    lines = Lines(replicates)
    axes = [lines.scores(features.truth[:, f], features.generated[:, f]) for f in range(n_features)]
    if n_features == 1:
        slices = axes
    else:
        drawn = random_directions(n_features, directions, rng)
        projected = (features.truth @ drawn.T, features.generated @ drawn.T)
        slices = [lines.scores(projected[0][:, k], projected[1][:, k]) for k in range(len(drawn))]
    of_slices = [scores[WASSERSTEIN] for scores in slices]
    energy = mean_scores(scores[ENERGY] for scores in slices).times(energy_factor(n_features))
    found = {
        "mean_kolmogorov_smirnov": mean_scores(scores[KOLMOGOROV_SMIRNOV] for scores in axes),
        "mean_wasserstein": mean_scores(scores[WASSERSTEIN] for scores in axes),
        "sliced_kolmogorov_smirnov": mean_scores(scores[KOLMOGOROV_SMIRNOV] for scores in slices),
        "sliced_wasserstein": mean_scores(of_slices),
        "max_sliced_wasserstein": largest_scores(of_slices),
        "energy_distance": energy,
    }
    return {name: scores.distance for name, scores in found.items()}


def random_directions(n_features: int, least: int, rng: np.random.Generator) -> np.ndarray:
    """Return directions of length 1, (D, n_features): the rows of rotations, at least ``least``."""
    if n_features < 1 or least < 1:
        raise ValueError(f"{least} directions and {n_features} features: give at least 1 of each")
    rows: list[np.ndarray] = []
    while sum(map(len, rows)) < least:
        rotation, triangle = np.linalg.qr(rng.normal(size=(n_features, n_features)))
        # The signs make the rotation uniform (Mezzadri, arXiv:math-ph/0609050).
        rows.append((rotation * np.sign(np.diag(triangle))).T[:least])
    return np.concatenate(rows)


def energy_factor(n_features: int) -> float:
    """Return the energy distance in this many dimensions over its mean along lines."""
    from scipy.special import gammaln

    return float(np.sqrt(np.pi) * np.exp(gammaln((n_features + 1) / 2) - gammaln(n_features / 2)))
