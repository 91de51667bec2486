"""The default fit with a reweighter: calibrated by the map in its file, or widened by its known bias.

A reweighter's file may hold a :class:`~simulacra.fits.parameter_map.ParameterMap` for each objective. A fit with this
objective evaluates the networks at c(theta). Its interval includes the map's uncertainty instead of the ensemble's
spread, because the map was measured with the same networks. Without a map for the objective, the fit first warns that
its interval is statistical only. If there is a map for another objective, the interval is widened by the mean square of
its shift over the box.
"""

from __future__ import annotations

import dataclasses
import warnings as python_warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Final

import numpy as np

from simulacra.fits.embedded import EmbeddedEvents
from simulacra.fits.errors import FitError, FitWarning
from simulacra.fits.fit import Precision
from simulacra.fits.fit import fit as fit_parameters
from simulacra.fits.interpolation import Interpolation
from simulacra.fits.log_ratio import LogRatio, parameter_space
from simulacra.fits.minimise import minimise
from simulacra.fits.objective import Method, Samples, objective_of
from simulacra.fits.parameter_map import MapError, ParameterMap, mapped
from simulacra.fits.result import OVER_BOX, Fit
from simulacra.reweighting.reweighter import Reweighter

INFORMATION_EVENTS: Final = 4_000
"""Number of reference events for the effect of held parameters on fitted ones, to a few percent."""


def box_calibration(reweighter: Reweighter, method: str) -> ParameterMap | None:
    """Return the calibration over the box for an objective from a reweighter's file; None if there is none.

    Raises
    ------
    MapError
        if it is damaged, or for other parameters or another box than the reweighter's.
    """
    told = reweighter.fit_calibration.get(method)
    if told is None:
        return None
    found = ParameterMap.from_json(told)
    bounds = reweighter.bounds
    box = np.array([bounds[name] for name in found.parameters if name in bounds])
    if found.parameters != tuple(bounds) or not np.allclose(box, np.stack([found.low, found.high], axis=1), rtol=1e-5):
        raise MapError(f"the calibration over the box is not for '{reweighter.name}': its parameters or box differ")
    return found


def known_bias(reweighter: Reweighter) -> ParameterMap | None:
    """Return a map for any objective, which measures the networks' bias; None if there is none."""
    for method in reweighter.fit_calibration:
        if (found := box_calibration(reweighter, method)) is not None:
            return found
    return None


class RatioFit:
    """Fits with the learned ratio of a reweighter and one reference.

    Parameters
    ----------
    reweighter:
        continuous in the parameters.
    reference:
        embedded by the reweighter.
    method:
        the objective.
    calibrated:
        whether the calibration over the box is used if the file holds one.
    """

    def __init__(
        self,
        reweighter: Reweighter,
        reference: EmbeddedEvents,
        *,
        method: Method = "likelihood_ratio",
        calibrated: bool = True,
    ) -> None:
        self.reweighter, self.method = reweighter, method
        self.over_box = box_calibration(reweighter, method) if calibrated else None
        members: tuple[LogRatio, ...] = reweighter.ratios()
        self.members = members if self.over_box is None else mapped(members, self.over_box)
        self.reference = reference
        some = np.arange(min(len(reference), INFORMATION_EVENTS))
        self._some = reference.select(some)

    def __call__(
        self,
        data: EmbeddedEvents,
        *,
        free: Sequence[str] | None = None,
        fixed: Mapping[str, float] | None = None,
        precision: Precision | None = None,
    ) -> Fit:
        """Fit the free parameters to embedded events; as :func:`simulacra.fits.fit.fit`, then calibrated or widened."""
        found = fit_parameters(
            self.members, data, self.reference, method=self.method, free=free, fixed=fixed, precision=precision
        )
        return self.finished(found)

    def finished(self, found: Fit) -> Fit:
        """Return a fit with ``members``, with the calibration's uncertainty or with the warning and wider interval."""
        if self.over_box is not None:
            return with_calibration(found, self.over_box, self.information)
        return without_calibration(found, self.reweighter, self.information)

    def information(self, theta: np.ndarray) -> np.ndarray:
        """Return the expected information of one event in all parameters, (P, P), at theta (P,)."""
        space = parameter_space(self.members)
        inside = np.clip(theta, space.low, space.high)
        objective = objective_of(self.method, Samples(self.members, self._some, self._some, space))
        found = objective.expected_hessian(inside)
        if found is None:  # both objectives know theirs
            raise TypeError(f"{self.method} has no expected information")
        return found

    def of_many(self, samples: Sequence[EmbeddedEvents]) -> ManyFits:
        """Return an object for fits of many samples: networks are interpolated in the parameters, once per event."""
        return ManyFits(self, samples)

    @cached_property
    def interpolation(self) -> Interpolation:
        """The mean of the networks as polynomials over the image of the box under the calibration."""
        region = None if self.over_box is None else self.over_box.region()
        return Interpolation(self.reweighter.ratios(), region=region, mean=True)

    @cached_property
    def interpolated_reference(self) -> EmbeddedEvents:
        """The reference as the interpolation takes it.

        Raises
        ------
        FitError
            if polynomials are not close enough to the networks.
        """
        return self.interpolation(self.reference)


class ManyFits:
    """Fits of many samples with one reference, by polynomials in the parameters instead of the networks.

    If polynomials are not close enough to the networks, the networks themselves are used.

    Parameters
    ----------
    of:
        the fit of one sample.
    samples:
        embedded.

    Attributes
    ----------
    samples:
        as the fits take them.
    """

    def __init__(self, of: RatioFit, samples: Sequence[EmbeddedEvents]) -> None:
        self._of = of
        self._members: tuple[LogRatio, ...] = of.members
        self._reference, self.samples = of.reference, tuple(samples)
        try:
            turned = (of.interpolated_reference, tuple(of.interpolation(sample) for sample in samples))
        except FitError:
            return
        self._reference, self.samples = turned
        ratios: tuple[LogRatio, ...] = of.interpolation.ratios
        self._members = ratios if of.over_box is None else mapped(ratios, of.over_box)

    def __call__(
        self,
        data: EmbeddedEvents,
        *,
        free: Sequence[str] | None = None,
        fixed: Mapping[str, float] | None = None,
        precision: Precision | None = None,
    ) -> Fit:
        """Fit one of ``samples``, or some of its events, as a single fit does.

        If the reweighter has no calibration, a curve is expected to follow: the interval then includes only the events'
        share, without the spread of networks and without a warning.
        """
        found = fit_parameters(
            self._members, data, self._reference, method=self._of.method, free=free, fixed=fixed, precision=precision
        )
        return found if self._of.over_box is None else self._of.finished(found)

    def estimates(
        self, data: EmbeddedEvents, *, free: Sequence[str] | None = None, fixed: Mapping[str, float] | None = None
    ) -> np.ndarray:
        """Return the estimates alone, (F,)."""
        space = parameter_space(self._members, free=free, fixed=fixed)
        samples = Samples(self._members, data, self._reference, space)
        return minimise(objective_of(self._of.method, samples)).values


Information = Callable[[np.ndarray], np.ndarray]


def with_calibration(found: Fit, over_box: ParameterMap, information: Information) -> Fit:
    """Return a fit with mapped networks, with the map's uncertainty instead of that of the networks."""
    at = _whole(found, over_box.parameters)
    covariance = over_box.theta_covariance_at(at)
    return dataclasses.replace(
        found,
        calibration_covariance=projected(covariance, information(at), over_box.parameters, found.parameters),
        network_covariance=0 * found.network_covariance,
        calibrated=OVER_BOX,
    )


def without_calibration(found: Fit, reweighter: Reweighter, information: Information) -> Fit:
    """Return an uncalibrated fit, with a warning first, and widened by the known bias of the networks."""
    seen = known_bias(reweighter)
    first = (
        "this fit is not calibrated: without correction its intervals are statistical only, and do not include the "
        f"bias of the networks of '{reweighter.name}'"
    )
    bias = None
    if seen is None:
        first += (
            ", which is unknown. Give runs at known parameters (--calibrate), or add a calibration over the "
            "box (simulacra calibrate)"
        )
    else:
        at = _whole(found, seen.parameters)
        bias = projected(seen.second_moment(), information(at), seen.parameters, found.parameters)
        added = ", ".join(f"{name} {np.sqrt(bias[p, p]):.2g}" for p, name in enumerate(found.parameters))
        first += f"; they were widened by the bias of these networks seen in validation over the box: {added}"
    python_warnings.warn(first, FitWarning, stacklevel=4)
    return dataclasses.replace(found, bias_covariance=bias, warnings=(first, *found.warnings))


def _whole(found: Fit, names: Sequence[str]) -> np.ndarray:
    values = {**found.fixed, **found.values}
    return np.array([values[name] for name in names])


def projected(covariance: np.ndarray, information: np.ndarray, names: Sequence[str], free: Sequence[str]) -> np.ndarray:
    """Return the covariance, (F, F), of a fit of some parameters due to shifts of the optimum in all of them.

    If the objective's optimum in all parameters is shifted by b, (P,), its optimum in the free ones F, with the others
    held, is shifted by :math:`I_{FF}^{-1} I_{F:} b`, where I is the information.

    Parameters
    ----------
    covariance:
        of the shift in all parameters, (P, P).
    information:
        second derivatives of the objective in all parameters, (P, P).
    names, free:
        of all parameters, and of those that are fitted.
    """
    rows = [list(names).index(name) for name in free]
    pull = np.linalg.solve(information[np.ix_(rows, rows)], information[rows])
    found: np.ndarray = pull @ covariance @ pull.T
    return np.asarray((found + found.T) / 2)
