"""The result of a fit: values, their covariance by source, intervals and warnings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

#: how a fit is calibrated
OVER_BOX: Final = "over the box"
BY_RUNS: Final = "by runs"


@dataclass(frozen=True)
class Scan:
    """The objective along one parameter.

    Attributes
    ----------
    values:
        of the parameter, (S,), in its unit.
    rise:
        rise of the objective above its minimum, (S,); for a likelihood, 2 times the rise of the negative log
        likelihood.
    profiled:
        whether the other free parameters were fitted at each point, or held at the estimate.
    """

    values: np.ndarray
    rise: np.ndarray
    profiled: bool


@dataclass(frozen=True)
class Fit:
    """Estimates of the free parameters with their uncertainty.

    Attributes
    ----------
    method:
        name of the estimator, such as "likelihood_ratio".
    parameters:
        names of the F free parameters.
    estimates:
        their values, (F,), in their units.
    event_covariance:
        due to the finite numbers of data and reference events, (F, F).
    network_covariance:
        due to the networks' training, (F, F); 0 for a single member, whose spread is unknown.
    calibration_covariance:
        due to the calibration, (F, F); 0 if there is none.
    likelihood_covariance:
        inverse curvature of the likelihood, (F, F), for an infinite reference and unweighted data; None if the
        objective is not a likelihood.
    fixed:
        values of the parameters that were not free.
    bounds:
        the trained box of the free parameters.
    members:
        each ensemble member's own estimates, (K, F).
    n_data, n_reference:
        numbers of events.
    data_effective, reference_effective:
        effective numbers; that of the reference after weighting to the estimate (None if not known).
    objective:
        the least value of the objective.
    profile_intervals:
        (low, high) of each parameter where the profile of the objective has risen by the event covariance's one sigma;
        they may be asymmetric. Empty unless requested.
    scans:
        by parameter; empty unless requested.
    calibrated:
        "over the box" by the reweighter's own map, "by runs" by a calibration curve, "" if not calibrated.
    bias_covariance:
        for a fit without calibration, the second moment of the bias seen in the networks' validation, (F, F); None if
        it is unknown or was corrected.
    warnings:
        what the user should know before trusting the result.
    """

    method: str
    parameters: tuple[str, ...]
    estimates: np.ndarray
    event_covariance: np.ndarray
    network_covariance: np.ndarray
    calibration_covariance: np.ndarray
    likelihood_covariance: np.ndarray | None
    fixed: Mapping[str, float]
    bounds: Mapping[str, tuple[float, float]]
    members: np.ndarray
    n_data: int
    n_reference: int
    data_effective: float
    reference_effective: float | None
    objective: float
    profile_intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    scans: Mapping[str, Scan] = field(default_factory=dict)
    calibrated: str = ""
    bias_covariance: np.ndarray | None = None
    warnings: tuple[str, ...] = ()

    @property
    def values(self) -> dict[str, float]:
        """The estimates by name."""
        return dict(zip(self.parameters, self.estimates.tolist(), strict=True))

    @property
    def covariance(self) -> np.ndarray:
        """The whole covariance, (F, F)."""
        whole: np.ndarray = self.event_covariance + self.network_covariance + self.calibration_covariance
        return whole if self.bias_covariance is None else whole + self.bias_covariance

    @property
    def errors(self) -> dict[str, float]:
        """The whole standard deviation of each parameter."""
        return dict(zip(self.parameters, np.sqrt(np.diag(self.covariance)).tolist(), strict=True))

    @property
    def correlation(self) -> np.ndarray:
        """Correlation coefficients of the estimates, (F, F)."""
        sigma = np.sqrt(np.diag(self.covariance))
        coefficients: np.ndarray = self.covariance / np.outer(sigma, sigma)
        return coefficients

    @property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """The 68.3 % interval (low, high) of each parameter from the whole covariance."""
        return {name: (self.values[name] - error, self.values[name] + error) for name, error in self.errors.items()}

    def error_parts(self, name: str) -> dict[str, float]:
        """Return the standard deviations of a parameter by source.

        The sources are the events, the networks, the calibration, and the bias seen in validation if it was not
        corrected.
        """
        p = self.parameters.index(name)
        parts = {
            "events": self.event_covariance,
            "networks": self.network_covariance,
            "calibration": self.calibration_covariance,
        }
        if self.bias_covariance is not None:
            parts["bias seen in validation"] = self.bias_covariance
        return {part: float(np.sqrt(covariance[p, p])) for part, covariance in parts.items()}

    def to_json(self) -> dict[str, Any]:
        """Return the fit as plain JSON values."""
        return {
            "method": self.method,
            "parameters": list(self.parameters),
            "values": self.values,
            "errors": self.errors,
            "error_parts": {name: self.error_parts(name) for name in self.parameters},
            "intervals": {name: list(interval) for name, interval in self.intervals.items()},
            "profile_intervals": {name: list(interval) for name, interval in self.profile_intervals.items()},
            "covariance": self.covariance.tolist(),
            "event_covariance": self.event_covariance.tolist(),
            "network_covariance": self.network_covariance.tolist(),
            "calibration_covariance": self.calibration_covariance.tolist(),
            "bias_covariance": None if self.bias_covariance is None else self.bias_covariance.tolist(),
            "likelihood_covariance": None
            if self.likelihood_covariance is None
            else self.likelihood_covariance.tolist(),
            "fixed": dict(self.fixed),
            "bounds": {name: list(bounds) for name, bounds in self.bounds.items()},
            "members": self.members.tolist(),
            "n_data": self.n_data,
            "n_reference": self.n_reference,
            "data_effective": self.data_effective,
            "reference_effective": self.reference_effective,
            "objective": self.objective,
            "scans": {
                name: {"values": scan.values.tolist(), "rise": scan.rise.tolist(), "profiled": scan.profiled}
                for name, scan in self.scans.items()
            },
            "calibrated": self.calibrated,
            "warnings": list(self.warnings),
        }
