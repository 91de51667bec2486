r"""An estimator's response to the true parameters, from pseudo-experiments, and its inversion.

No network learns the ratio exactly. This biases all fits with a network in the same way, and the spread of an ensemble
does not show a bias that all members share. It is measured as in mass measurements at the LHC: draw many true theta,
simulate and fit a sample at each, and fit the mean estimate as a function of the truth,

.. math:: \hat\theta = A \theta + b .

A calibrated estimate is :math:`A^{-1} (\hat\theta - b)`; a slope below 1 widens its interval. The curve's uncertainty
is computed from the residuals and added to the interval. Each row counts with its own scatter, so the errors of the
pseudo-experiments and their correlations need not be known.

If pseudo-experiments and data share one reference sample, the calibration also removes the reference's fluctuation. The
interval still includes it and is then conservative.
"""

from __future__ import annotations

import dataclasses
import warnings as python_warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from simulacra.fits.errors import FitError, FitWarning
from simulacra.fits.result import BY_RUNS, Fit, Scan


@dataclass(frozen=True)
class CalibrationCurve:
    """The mean estimate as a linear function of the truth.

    Attributes
    ----------
    parameters:
        names, in the order of the columns, (F,).
    slope, intercept:
        A, (F, F), and b, (F,), of estimate = A truth + b, in the parameters' units.
    truths, estimates:
        of the T pseudo-experiments, (T, F).
    """

    parameters: tuple[str, ...]
    slope: np.ndarray
    intercept: np.ndarray
    truths: np.ndarray
    estimates: np.ndarray

    @property
    def residuals(self) -> np.ndarray:
        """Estimate minus curve, (T, F)."""
        residuals: np.ndarray = self.estimates - self.truths @ self.slope.T - self.intercept
        return residuals

    @property
    def biases(self) -> np.ndarray:
        """Estimate minus truth before calibration, (T, F)."""
        biases: np.ndarray = self.estimates - self.truths
        return biases

    def at(self, truth: np.ndarray) -> np.ndarray:
        """Return the mean estimate at a truth, (F,)."""
        mean: np.ndarray = self.slope @ truth + self.intercept
        return mean

    def covariance_at(self, truth: np.ndarray) -> np.ndarray:
        """Return the covariance, (F, F), of the curve at a truth (F,), robust against unequal scatter."""
        design = np.column_stack([self.truths, np.ones(len(self.truths))])
        influence = design @ np.linalg.solve(design.T @ design, np.append(truth, 1.0))
        count, terms = design.shape
        moved = influence[:, None] * self.residuals
        covariance: np.ndarray = moved.T @ moved * count / (count - terms)
        return covariance

    def slope_errors(self) -> np.ndarray:
        """Return the standard errors of the slopes, (F, F)."""
        design = np.column_stack([self.truths, np.ones(len(self.truths))])
        count, terms = design.shape
        rows = np.linalg.solve(design.T @ design, design.T)[:-1]
        variances = np.square(rows) @ np.square(self.residuals) * count / (count - terms)
        return np.asarray(np.sqrt(variances.T))

    def to_json(self) -> dict[str, Any]:
        """Return the curve as plain JSON values."""
        return {
            "parameters": list(self.parameters),
            "slope": self.slope.tolist(),
            "slope_errors": self.slope_errors().tolist(),
            "intercept": self.intercept.tolist(),
            "truths": self.truths.tolist(),
            "estimates": self.estimates.tolist(),
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> CalibrationCurve:
        """Return the curve from the output of ``to_json``."""
        return calibration_curve(told["parameters"], np.array(told["truths"]), np.array(told["estimates"]))


def calibration_curve(parameters: Sequence[str], truths: np.ndarray, estimates: np.ndarray) -> CalibrationCurve:
    """Return the straight line, or plane, through the estimates of pseudo-experiments.

    Parameters
    ----------
    parameters:
        names, (F,).
    truths, estimates:
        of the pseudo-experiments, (T, F), at true parameters drawn from the prior.

    Raises
    ------
    ValueError
        if shapes do not fit, a number is not finite, or there are fewer than 2 F + 2 pseudo-experiments.
    FitError
        if the truths do not span the parameters, or the estimates do not respond to them.
    """
    names = tuple(parameters)
    truths, estimates = np.asarray(truths, dtype=np.float64), np.asarray(estimates, dtype=np.float64)
    if truths.shape != estimates.shape or truths.ndim != 2 or truths.shape[1] != len(names):
        raise ValueError(f"truths {truths.shape} and estimates {estimates.shape} are not both (T, {len(names)})")
    for what, table in (("truth", truths), ("estimate", estimates)):
        if not np.isfinite(table).all():
            row = int(np.argwhere(~np.isfinite(table))[0, 0])
            raise ValueError(f"the {what} of pseudo-experiment {row} is NaN or infinite; leave failed fits out")
    least = 2 * len(names) + 2
    if len(truths) < least:
        raise ValueError(
            f"a calibration of {len(names)} parameters needs {least} pseudo-experiments, not {len(truths)}"
        )
    spread = truths.std(axis=0)
    for name, width in zip(names, spread, strict=True):
        if not width > 0:
            raise FitError(f"all pseudo-experiments have the same true {name}; draw it from the prior")
    centre = truths.mean(axis=0)
    design = np.column_stack([(truths - centre) / spread, np.ones(len(truths))])
    if np.linalg.cond(design) > 1e6:
        raise FitError(f"the true {', '.join(names)} are correlated; draw them independently of each other")
    found = np.linalg.lstsq(design, estimates, rcond=None)[0]
    slope = (found[:-1] / spread[:, None]).T
    curve = CalibrationCurve(names, slope, found[-1] - slope @ centre, truths, estimates)
    _refuse_flat(curve, spread)
    return curve


def _refuse_flat(curve: CalibrationCurve, spread: np.ndarray) -> None:
    scaled = curve.slope * spread / spread[:, None]
    errors = curve.slope_errors() * spread / spread[:, None]
    left, response, right = np.linalg.svd(scaled)
    # How well the weakest response is known: its direction's share of the slopes' errors.
    noise = float(np.sqrt(np.square(left[:, -1]) @ np.square(errors) @ np.square(right[-1])))
    if response[-1] < 3 * noise or response[-1] < 1e-6:
        raise FitError(
            f"the estimates hardly respond to the truth: the weakest response in {', '.join(curve.parameters)} is "
            f"{response[-1]:.3g} ± {noise:.3g}, where 1 is ideal; train longer or fix a parameter"
        )


def calibrate(fit: Fit, curve: CalibrationCurve, *, keep_network_error: bool = False) -> Fit:
    """Return the fit corrected by the inverted curve, with the curve's uncertainty in its interval.

    Parameters
    ----------
    fit:
        of the same parameters, not yet calibrated by a curve. A fit that is calibrated over the box stays so: the curve
        then measures what the map has left, and its uncertainty replaces that of the map.
    curve:
        from pseudo-experiments fitted with the same networks.
    keep_network_error:
        whether the ensemble's spread stays in the interval. The curve measures these same networks, so the effect of
        their training is corrected with the curve's precision; by default it is not counted twice.

    Raises
    ------
    ValueError
        if the parameters differ or the fit is calibrated by a curve already.

    Warns
    -----
    FitWarning
        if the calibrated estimate is outside the range of truths of the curve.
    """
    if fit.parameters != curve.parameters:
        raise ValueError(f"the curve is for {', '.join(curve.parameters)}, the fit for {', '.join(fit.parameters)}")
    if fit.calibrated == BY_RUNS:
        raise ValueError("the fit has been calibrated already")
    inverse = np.linalg.inv(curve.slope)

    def mapped(covariance: np.ndarray) -> np.ndarray:
        result: np.ndarray = inverse @ covariance @ inverse.T
        return result

    estimates = inverse @ (fit.estimates - curve.intercept)
    said = list(fit.warnings)
    for p, name in enumerate(fit.parameters):
        low, high = float(curve.truths[:, p].min()), float(curve.truths[:, p].max())
        if not low <= estimates[p] <= high:
            said.append(
                f"the calibrated {name} = {estimates[p]:.6g} is outside the pseudo-experiments' {low:.6g} to "
                f"{high:.6g}: the curve is an extrapolation there"
            )
            python_warnings.warn(said[-1], FitWarning, stacklevel=2)
    return dataclasses.replace(
        fit,
        estimates=estimates,
        event_covariance=mapped(fit.event_covariance),
        network_covariance=mapped(fit.network_covariance) if keep_network_error else 0 * fit.network_covariance,
        calibration_covariance=mapped(curve.covariance_at(estimates)),
        members=(fit.members - curve.intercept) @ inverse.T,
        # What follows the objective's shape has no meaning in several calibrated parameters, and is a stretch in one.
        profile_intervals=_stretched(fit, curve) if len(fit.parameters) == 1 else {},
        scans=_stretched_scans(fit, curve) if len(fit.parameters) == 1 else {},
        calibrated=BY_RUNS,
        bias_covariance=None,
        warnings=tuple(said),
    )


def _stretched(fit: Fit, curve: CalibrationCurve) -> dict[str, tuple[float, float]]:
    slope, intercept = float(curve.slope[0, 0]), float(curve.intercept[0])
    stretched = {}
    for name, interval in fit.profile_intervals.items():
        low, high = sorted((end - intercept) / slope for end in interval)
        stretched[name] = (low, high)
    return stretched


def _stretched_scans(fit: Fit, curve: CalibrationCurve) -> dict[str, Scan]:
    slope, intercept = float(curve.slope[0, 0]), float(curve.intercept[0])
    return {
        name: dataclasses.replace(scan, values=(scan.values - intercept) / slope) for name, scan in fit.scans.items()
    }
