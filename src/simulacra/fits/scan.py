"""The objective along one parameter, and the interval in which its profile rises by a given amount."""

from __future__ import annotations

import numpy as np

from simulacra.fits.errors import FitError
from simulacra.fits.minimise import Minimum
from simulacra.fits.objective import Objective
from simulacra.fits.result import Scan


def scan(objective: Objective, optimum: np.ndarray, name: str, values: np.ndarray) -> Scan:
    """Return the objective at values (S,) of one free parameter, with the others at the optimum (F,).

    Raises
    ------
    ValueError
        if the parameter is not free.
    """
    space = objective.about.space
    if name not in space.free_names:
        raise ValueError(f"'{name}' is not free; the free parameters are {', '.join(space.free_names)}")
    position = space.free_names.index(name)
    least = objective.value(optimum)
    rows = np.repeat(optimum[None, :], len(values), axis=0)
    rows[:, position] = values
    rise = np.array([objective.value(row) - least for row in rows])
    factor = 2 * objective.about.data_effective if objective.about.is_likelihood else 1.0
    return Scan(np.asarray(values, dtype=np.float64), factor * rise, profiled=False)


def profile_intervals(
    minimum: Minimum, event_covariance: np.ndarray, curvature_covariance: np.ndarray
) -> dict[str, tuple[float, float]]:
    """Return the interval of each free parameter in which the profile rises by one standard deviation of the events.

    A likelihood's profile rises by 1/2 within one standard deviation if its curvature is the estimate's inverse
    covariance. Here the reference is finite and weights vary, so the rise is scaled by the ratio of the two variances.
    The interval then has the likelihood's shape and the sandwich's size.

    Parameters
    ----------
    minimum:
        of the objective.
    event_covariance:
        the estimate's covariance, (F, F).
    curvature_covariance:
        inverse curvature of the objective times the effective number of data events, (F, F).

    Raises
    ------
    FitError
        if the profile does not reach both ends.
    """
    minuit = minimum.minuit
    found = {}
    for position, name in enumerate(minuit.parameters):
        ratio = event_covariance[position, position] / curvature_covariance[position, position]
        minuit.errordef = 0.5 * float(ratio)
        minuit.minos(name)
        error = minuit.merrors[name]
        if not error.is_valid:
            raise FitError(
                f"the profile of {name} does not rise by one standard deviation on both sides within the trained box; "
                "use the covariance's interval, or train over a larger prior"
            )
        best = float(minuit.values[name])
        found[name] = (best + float(error.lower), best + float(error.upper))
    return found
