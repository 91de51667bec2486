r"""The uncertainty of an estimate: from the events and from the networks.

**Events.** The estimate is a solution of :math:`\sum_i s_i(\theta) = 0` over data *and* reference events, so its
covariance is :math:`H^{-1} \left(\sum_i s_i s_i^T\right) H^{-1}`, the sandwich, for any objective and any weights.
Counting every event a Poisson number of times and fitting again has the same covariance and also shows skewness; one
Newton step from the optimum, :math:`-H^{-1} \sum_i (n_i - 1) s_i`, replaces each new fit. Only for the likelihood ratio
of unweighted data and an infinite reference is :math:`H^{-1} / n` the same.

**Networks.** K independently trained members scatter around their mean with a covariance S, that of one member's
training. The central value is the fit of their *mean* log ratio. To first order this equals the mean of their fits,
whose covariance is S / K. S is estimated from few members; for a 68.3 % interval Student's factor t (1.84 for K = 2,
1.32 for 3, 1.14 for 5) corrects for this. This holds for ``independent`` members. Each has its own training events, or
all have the same events and the fluctuation of the training sample is negligible; the spread does not show what members
have in common. If each was trained on a bootstrap resample of one training sample, S includes the fluctuation of that
sample, which averaging does not reduce: ``resampled`` uses the full S. Only pseudo-experiments show a bias that all
members share, and a calibration curve removes it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

import numpy as np

from simulacra.fits.errors import FitError
from simulacra.fits.minimise import minimise
from simulacra.fits.objective import Linearised, Objective

Training = Literal["independent", "resampled"]
EventErrors = Literal["sandwich", "one_step_bootstrap", "bootstrap"]

LEAST_EFFECTIVE: Final = 2.0
CENTRAL: Final = 0.682689492137086
"""Content of an interval of one standard deviation on either side."""


def inverse_hessian(hessian: np.ndarray, widths: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """Return the inverse of second derivatives, (F, F).

    Raises
    ------
    FitError
        if they are not those of a minimum, or the objective is too flat for widths of the box, (F,).
    """
    scaled = hessian * np.outer(widths, widths)
    values, vectors = np.linalg.eigh((scaled + scaled.T) / 2)
    if not values[0] > 1e-9 * max(values[-1], 1e-12):
        direction = np.abs(vectors[:, 0])
        flat = [name for name, share in zip(names, direction, strict=True) if share > 0.3]
        raise FitError(
            f"the objective has no curvature in {' and '.join(flat)}: these events, or this network, do "
            "not depend on it; fix a parameter or retrain with the parameters as inputs"
        )
    inverse: np.ndarray = (vectors / values) @ vectors.T * np.outer(widths, widths)
    return inverse


def sandwich(linearised: Linearised, inverse: np.ndarray) -> np.ndarray:
    """Return the covariance, (F, F), of an estimate over repetitions of its data and its reference."""
    meat = np.zeros_like(inverse)
    for scores in (linearised.data_scores, linearised.reference_scores):
        # The mean that the scores were centred with was taken from the same events.
        meat += scores.T @ scores * len(scores) / max(len(scores) - 1, 1)
    covariance: np.ndarray = inverse @ meat @ inverse
    return np.asarray((covariance + covariance.T) / 2)


def one_step_replicates(
    linearised: Linearised, inverse: np.ndarray, replicates: int, rng: np.random.Generator
) -> np.ndarray:
    """Return the shift of the estimate by one Newton step, (replicates, F), when events are counted Poisson times."""
    moves = np.zeros((replicates, len(inverse)))
    for scores in (linearised.data_scores, linearised.reference_scores):
        for row in range(replicates):
            moves[row] -= inverse @ (rng.poisson(1.0, len(scores)) @ scores)
    return moves


def refitted_replicates(
    objective: Objective, optimum: np.ndarray, replicates: int, rng: np.random.Generator
) -> np.ndarray:
    """Return the shift of the estimate by new fits, (replicates, F), when events are counted Poisson times."""
    moves = []
    for _ in range(replicates):
        data = rng.poisson(1.0, objective.about.n_data)
        reference = rng.poisson(1.0, objective.about.n_reference)
        moves.append(minimise(objective.resampled(data, reference), start=optimum).values - optimum)
    return np.array(moves)


def event_covariance(
    objective: Objective,
    optimum: np.ndarray,
    errors: EventErrors,
    replicates: int,
    make_rng: Callable[[], np.random.Generator],
    *,
    linearised: tuple[Linearised, np.ndarray] | None,
) -> np.ndarray:
    """Return the covariance, (F, F), due to the finite numbers of data and reference events.

    Parameters
    ----------
    objective, optimum:
        and its minimum, (F,).
    errors:
        how it is computed.
    replicates:
        of a bootstrap.
    make_rng:
        returns the bootstrap's generator of random numbers.
    linearised:
        the objective around its optimum and its inverse second derivatives; needed for all but "bootstrap".
    """
    if errors == "bootstrap":
        moves = refitted_replicates(objective, optimum, replicates, make_rng())
    elif linearised is None:
        raise FitError(f"'{errors}' needs an objective that can be linearised; choose errors='bootstrap'")
    elif errors == "sandwich":
        return sandwich(*linearised)
    else:
        moves = one_step_replicates(*linearised, replicates, make_rng())
    return np.atleast_2d(np.cov(moves, rowvar=False))


def student_factor(members: int) -> float:
    """Return the factor that widens the spread of this many members to a 68.3 % interval."""
    from scipy.stats import t

    return float(t.ppf(0.5 + CENTRAL / 2, members - 1))


def network_covariance(member_values: np.ndarray, training: Training) -> np.ndarray:
    """Return the covariance, (F, F), of the mean of K members' estimates (K, F) due to their training; 0 for K = 1."""
    members, free = member_values.shape
    if members == 1:
        return np.zeros((free, free))
    spread = np.atleast_2d(np.cov(member_values, rowvar=False))
    share = 1.0 / members if training == "independent" else 1.0
    covariance: np.ndarray = student_factor(members) ** 2 * share * spread
    return covariance
