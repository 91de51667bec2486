"""Fit parameters to data by learned likelihood ratios of an ensemble, with the uncertainty."""

from __future__ import annotations

import warnings as python_warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from simulacra.fits.embedded import EmbeddedEvents
from simulacra.fits.errors import FitError, FitWarning
from simulacra.fits.log_ratio import LogRatio, ParameterSpace, parameter_space
from simulacra.fits.minimise import Minimum, at_edge, minimise
from simulacra.fits.objective import Linearised, Method, Objective, Samples, objective_of
from simulacra.fits.result import Fit, Scan
from simulacra.fits.scan import profile_intervals, scan
from simulacra.fits.uncertainty import (
    LEAST_EFFECTIVE,
    EventErrors,
    Training,
    event_covariance,
    inverse_hessian,
    network_covariance,
)

SCAN_WIDTH: Final = 3.0
"""Range of a scan on either side, in standard deviations."""


@dataclass(frozen=True)
class Precision:
    """Settings of a fit's uncertainty and of additional results.

    Attributes
    ----------
    errors:
        how the events' share is computed: by the sandwich, or by Poisson bootstrap replicates with one Newton step or
        with new fits.
    replicates, seed:
        of a bootstrap.
    training:
        how the ensemble's members were trained: "independent", or on bootstrap resamples of one sample ("resampled").
    profile:
        whether asymmetric intervals are computed from the objective's profile; this takes tens of evaluations per
        parameter.
    scan_points:
        of a scan of each parameter; none by default.
    """

    errors: EventErrors = "sandwich"
    replicates: int = 200
    seed: int = 0
    training: Training = "independent"
    profile: bool = False
    scan_points: int = 0


def fit(
    members: Sequence[LogRatio],
    data: EmbeddedEvents,
    reference: EmbeddedEvents,
    *,
    method: Method = "likelihood_ratio",
    free: Sequence[str] | None = None,
    fixed: Mapping[str, float] | None = None,
    start: Mapping[str, float] | None = None,
    precision: Precision | None = None,
) -> Fit:
    """Fit parameters to data with the mean log ratio of an ensemble.

    At detector level this is the one-classifier form of SRGN (arXiv:2010.03569) if the log ratio was trained on
    detector-level events weighted at particle level. With a log ratio trained at particle level it is the naive fit,
    which mistakes effects of the detector for effects of the parameters.

    Parameters
    ----------
    members:
        the ensemble.
    data:
        embedded events to fit.
    reference:
        embedded events simulated at the ensemble's theta_0; a large sample that was not used to train any member.
    method:
        the likelihood ratio, or the classifier loss.
    free, fixed, start:
        the fitted parameters, the values of the others, and the start values; see ``parameter_space``.
    precision:
        how the uncertainty is computed.

    Raises
    ------
    ValueError
        if there are too few events or the settings do not fit.
    FitError
        if there is no valid minimum, or no curvature there.

    Warns
    -----
    FitWarning
        for example if the estimate is at the edge of the trained box; ``Fit.warnings`` holds the same texts.
    """
    space = parameter_space(members, free=free, fixed=fixed, start=start)

    def build(chosen: Sequence[LogRatio], member: int | None) -> Objective:
        if member is None:
            return objective_of(method, Samples(chosen, data, reference, space))
        return objective_of(method, Samples(chosen, data.only(member), reference.only(member), space))

    return fit_with(build, members, precision=precision)


def fit_with(
    build: Callable[[Sequence[LogRatio], int | None], Objective],
    members: Sequence[LogRatio],
    *,
    precision: Precision | None = None,
) -> Fit:
    """Fit an objective of an ensemble.

    Parameters
    ----------
    build:
        returns the objective of all members for None, or of one member for its number.
    members:
        the ensemble.
    precision:
        how the uncertainty is computed.

    Raises
    ------
    ValueError, FitError
        as ``fit`` does.
    """
    precision = precision or Precision()
    objective = build(members, None)
    about = objective.about
    space = about.space
    if about.data_effective < LEAST_EFFECTIVE:
        raise ValueError(
            f"the data are {about.n_data} events of effective number {about.data_effective:.3g}; "
            f"an interval needs their scatter, from at least {LEAST_EFFECTIVE:g}"
        )
    minimum = minimise(objective)
    linearised = _linearised(objective, minimum.values, space, precision)
    from_events = event_covariance(
        objective,
        minimum.values,
        precision.errors,
        precision.replicates,
        lambda: np.random.default_rng(precision.seed),
        linearised=linearised,
    )
    own = _member_values(build, members, minimum)
    from_networks = network_covariance(own, precision.training)
    curvature = None if linearised is None else linearised[1] / about.data_effective
    effective = None if linearised is None else linearised[0].reference_effective
    intervals = {}
    if precision.profile:
        if curvature is None:
            raise FitError("a profile needs an objective that can be linearised; leave out profile=True")
        intervals = profile_intervals(minimum, from_events, curvature)
    sigma = np.sqrt(np.diag(from_events + from_networks))
    said = _warnings(objective, minimum.values, sigma, effective)
    for sentence in said:
        python_warnings.warn(sentence, FitWarning, stacklevel=3)
    return Fit(
        method=about.method,
        parameters=space.free_names,
        estimates=minimum.values,
        event_covariance=from_events,
        network_covariance=from_networks,
        calibration_covariance=np.zeros_like(from_events),
        likelihood_covariance=curvature if about.is_likelihood else None,
        fixed=space.fixed,
        bounds={name: (float(space.low[p]), float(space.high[p])) for p, name in _free(space)},
        members=own,
        n_data=about.n_data,
        n_reference=about.n_reference,
        data_effective=about.data_effective,
        reference_effective=effective,
        objective=minimum.objective,
        profile_intervals=intervals,
        scans=_scans(objective, minimum.values, sigma, precision.scan_points),
        warnings=tuple(said),
    )


def _linearised(
    objective: Objective, optimum: np.ndarray, space: ParameterSpace, precision: Precision
) -> tuple[Linearised, np.ndarray] | None:
    """Return the objective around its optimum with its inverse second derivatives; None if a bootstrap is used."""
    try:
        around = objective.linearise(optimum)
        return around, inverse_hessian(around.hessian, space.free_high - space.free_low, space.free_names)
    except FitError:
        if precision.errors == "bootstrap":
            return None
        raise


def _member_values(
    build: Callable[[Sequence[LogRatio], int | None], Objective], members: Sequence[LogRatio], minimum: Minimum
) -> np.ndarray:
    if len(members) == 1:
        return minimum.values[None, :]
    fits = [minimise(build([member], number), start=minimum.values) for number, member in enumerate(members)]
    return np.array([one.values for one in fits])


def _free(space: ParameterSpace) -> list[tuple[int, str]]:
    return list(zip(space.free, space.free_names, strict=True))


def _scans(objective: Objective, optimum: np.ndarray, sigma: np.ndarray, points: int) -> dict[str, Scan]:
    if points == 0:
        return {}
    space = objective.about.space
    grid = np.linspace(-SCAN_WIDTH, SCAN_WIDTH, points)
    found = {}
    for position, name in enumerate(space.free_names):
        values = optimum[position] + grid * sigma[position]
        inside = values[(values >= space.free_low[position]) & (values <= space.free_high[position])]
        found[name] = scan(objective, optimum, name, inside)
    return found


def _warnings(objective: Objective, optimum: np.ndarray, sigma: np.ndarray, effective: float | None) -> list[str]:
    space, about = objective.about.space, objective.about
    said = [
        f"{name} = {optimum[space.free_names.index(name)]:.6g} is at the {side} edge of the trained box, "
        f"{edge:g}: the data may be outside the trained box; train over a larger prior"
        for name, side, edge in at_edge(space, optimum)
    ]
    edges = {name for name, _, _ in at_edge(space, optimum)}
    for position, name in enumerate(space.free_names):
        low, high = optimum[position] - sigma[position], optimum[position] + sigma[position]
        least, most = space.free_low[position], space.free_high[position]
        if name not in edges and (low < least or high > most):
            said.append(
                f"the interval of {name}, {low:.6g} to {high:.6g}, reaches beyond the trained box, "
                f"{least:g} to {most:g}, where the log ratio is an extrapolation; train over a larger prior"
            )
    if effective is not None and effective < about.data_effective:
        said.append(
            f"there are only {effective:.4g} effective reference events for {about.data_effective:.4g} of data: the "
            "reference's fluctuation is the larger part of the uncertainty; simulate more events, or closer to the data"
        )
    return said
