"""Parameters with intervals from learned likelihood ratios, at particle level and behind a detector."""

from simulacra.fits.calibration_curve import CalibrationCurve, calibrate, calibration_curve
from simulacra.fits.coverage import Coverage, ParameterCoverage, disjoint_samples, pseudo_experiments
from simulacra.fits.default_fit import RatioFit
from simulacra.fits.detector_level import SimulatedPairs, fit_detector_level
from simulacra.fits.discriminators import LogisticDiscriminator, PerceptronDiscriminator
from simulacra.fits.embedded import EmbeddedEvents, embedded
from simulacra.fits.errors import FitError, FitWarning
from simulacra.fits.fit import Precision, fit
from simulacra.fits.log_ratio import LogRatio
from simulacra.fits.page import Limits, fit_page
from simulacra.fits.result import Fit, Scan

__all__ = [
    "CalibrationCurve",
    "Coverage",
    "EmbeddedEvents",
    "Fit",
    "FitError",
    "FitWarning",
    "Limits",
    "LogRatio",
    "LogisticDiscriminator",
    "ParameterCoverage",
    "PerceptronDiscriminator",
    "Precision",
    "RatioFit",
    "Scan",
    "SimulatedPairs",
    "calibrate",
    "calibration_curve",
    "disjoint_samples",
    "embedded",
    "fit",
    "fit_detector_level",
    "fit_page",
    "pseudo_experiments",
]
