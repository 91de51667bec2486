"""Fit parameters to data by a learned likelihood ratio, from files or events to intervals."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from simulacra.settings import numbers_of
from simulacra.workflows.parameters import with_parameters_of

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

    from simulacra.fits.calibration_curve import CalibrationCurve
    from simulacra.fits.default_fit import RatioFit
    from simulacra.fits.detector_level import SimulatedPairs
    from simulacra.fits.embedded import EmbeddedEvents
    from simulacra.fits.from_events import KnownTruth
    from simulacra.fits.result import Fit
    from simulacra.progress import Progress
    from simulacra.reweighting.reweighter import Reweighter

    #: a store or a file, or events
    Events = str | os.PathLike[str] | xr.Dataset

Method = Literal["likelihood_ratio", "classifier_loss"]
#: estimates from data and the values of parameters that are not fitted
Estimate = Callable[["EmbeddedEvents", Mapping[str, float]], "np.ndarray"]
SCAN_POINTS: Final = 25


@dataclass(frozen=True)
class Fitted:
    """A fit, the calibration curve of runs if there were any, the used part of the reference, and the reweighter."""

    fit: Fit
    curve: CalibrationCurve | None
    taken: str
    reweighter: Reweighter


def fitted(
    data: Events,
    reference: Events,
    *,
    reweighter: str | os.PathLike[str] = "dctr-z",
    free: Sequence[str] | None = None,
    fixed: Mapping[str, float] | None = None,
    method: Method = "likelihood_ratio",
    nested: Events | None = None,
    features: str | os.PathLike[str] = "srgn-z",
    calibrate: Events | None = None,
    calibrated: bool = True,
    known: Mapping[str, float] | None = None,
    max_events: int | None = None,
    max_reference: int = 100_000,
    progress: bool = True,
) -> Fitted:
    """Fit parameters to data, and return all that its page shows; parameters and errors are those of :func:`fit`."""
    import warnings

    from simulacra.fits.default_fit import RatioFit
    from simulacra.fits.errors import FitWarning
    from simulacra.fits.from_events import (
        embed_events,
        embed_pairs,
        embed_reference,
        refuse_outside,
        refuse_same,
        runs_of,
    )
    from simulacra.fits.log_ratio import parameter_space
    from simulacra.progress import step_progress
    from simulacra.reweighting.reweighter import Reweighter
    from simulacra.reweighting.unseen import unseen_part

    if nested is not None and method != "likelihood_ratio":
        raise ValueError("--nested has its own objective: leave out --method, or --nested")
    held = numbers_of(fixed or {}, "the fixed parameters")
    model = Reweighter.load(reweighter)
    space = parameter_space(model.ratios(), free=free, fixed=held)
    if unknown := [name for name in known or {} if name not in space.names]:
        raise ValueError(f"--truth names '{unknown[0]}', which is not one of the parameters {', '.join(space.names)}")
    seen = model if nested is None else Reweighter.load(features)
    sample, simulated = events_of(data), events_of(reference)
    particles = None if nested is None else events_of(nested)
    runs = None if calibrate is None else events_of(calibrate)
    # Parameters that vary between the runs and are not fitted are fixed at each run's value.
    known_runs = None
    if runs is not None:
        known_runs = runs_of(runs, [name for name in space.names if name in space.free_names or name in runs.data_vars])
        refuse_outside(known_runs, space)

    _, taken = unseen_part(seen, simulated)
    embedded = embed_events(seen, sample, most=max_events, show=progress)
    pool = None if runs is None else embed_events(seen, runs, label="calibration runs", show=progress)
    of_runs = (pool, known_runs)
    if particles is None:
        at_source = embed_reference(model, simulated, most=max_reference, show=progress)
    else:
        pairs = embed_pairs(model, particles, seen, simulated, most=max_reference, show=progress)
    refuse_same(sample, simulated)
    with step_progress("fitting", show=progress) as tell, warnings.catch_warnings():
        # The fit's result contains its warnings.
        warnings.simplefilter("ignore", FitWarning)
        if particles is None:
            ratio_fit = RatioFit(model, at_source, method=method, calibrated=calibrated)
            found, curve = _by_ratio(ratio_fit, embedded, of_runs, space.free_names, held, tell)
        else:
            found, curve = _nested(model, pairs, embedded, of_runs, space.free_names, held, tell)
    return Fitted(found, curve, taken, model)


@with_parameters_of(fitted)
def fit(*given: Any, **options: Any) -> Fit:
    """Fit parameters to data. The intervals include events, networks and calibration.

    By default, the calibration in the reweighter's file is used; without one, the fit warns first.

    Parameters
    ----------
    data:
        a store or a file of the data, or its events.
    reference:
        the same, simulated at the parameters of the reweighter's source.
    reweighter:
        continuous in the parameters: a shipped name, a file or a folder.
    free:
        parameters to fit; all if None.
    fixed:
        values of parameters that are not fitted; others stay at the source's.
    method:
        the learned likelihood ratio, or the classifier's loss (arXiv:1907.08209).
    nested:
        the reference's particles, to fit behind a detector in the nested form of SRGN (arXiv:2010.03569).
    features:
        the detector-level reweighter whose summaries the nested form uses.
    calibrate:
        runs at known parameters, which correct the bias left by the reweighter's own calibration.
    calibrated:
        whether to apply the reweighter's own calibration.
    known:
        true values of parameters of the fit.
    max_events, max_reference:
        largest numbers of events of the data (all if None) and of the reference.
    progress:
        whether to show progress bars.

    Raises
    ------
    simulacra.fits.errors.FitError, ValueError
        if the samples, the options and the reweighter are not compatible.

    Examples
    --------
    >>> import pathlib, tempfile, simulacra
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> options = {"process": "z-to-dijets", "progress": False}
    >>> summaries = [
    ...     simulacra.simulate("pythia", folder / name, 1000, seed=seed, **options)
    ...     for name, seed in (("data.zarr", 71), ("reference.zarr", 72))
    ... ]
    >>> found = simulacra.fit(folder / "data.zarr", folder / "reference.zarr", free=["alphaS"], progress=False)
    >>> sorted(found.values)
    ['alphaS']
    """
    return fitted(*given, **options).fit


def events_of(given: Events) -> xr.Dataset:
    """Return events, read if a path is given; anything else is refused (ValueError)."""
    import xarray as xr

    from simulacra import formats

    if isinstance(given, xr.Dataset):
        return given
    if not isinstance(given, str | os.PathLike):
        raise ValueError(  # noqa: TRY004 - as for any value
            f"events must be a dataset, or the path of a store or a file, not {type(given).__name__}"
        )
    return formats.read(given)


Runs = tuple["EmbeddedEvents | None", "KnownTruth | None"]


def _by_ratio(
    ratio_fit: RatioFit,
    data: EmbeddedEvents,
    runs: Runs,
    free: Sequence[str],
    fixed: Mapping[str, float],
    tell: Progress,
) -> tuple[Fit, CalibrationCurve | None]:
    """Fit with the learned ratio; also fit runs of known parameters, if given, by interpolation."""
    from simulacra.fits.calibration_curve import calibrate as apply_curve
    from simulacra.fits.fit import Precision

    precision = Precision(scan_points=SCAN_POINTS)
    pool, known = runs
    if pool is None or known is None:
        return ratio_fit(data, free=free, fixed=fixed, precision=precision), None
    many = ratio_fit.of_many([data, pool])
    found = many(many.samples[0], free=free, fixed=fixed, precision=precision)

    def estimate(run: EmbeddedEvents, held: Mapping[str, float]) -> np.ndarray:
        return many.estimates(run, free=free, fixed=held)

    curve = _curve(estimate, many.samples[1], known, free, fixed, tell)
    return apply_curve(found, curve), curve


def _nested(
    model: Reweighter,
    pairs: SimulatedPairs,
    data: EmbeddedEvents,
    runs: Runs,
    free: Sequence[str],
    fixed: Mapping[str, float],
    tell: Progress,
) -> tuple[Fit, CalibrationCurve | None]:
    """Fit in the nested form, for which no reweighter has a calibration."""
    from simulacra.fits.calibration_curve import calibrate as apply_curve
    from simulacra.fits.default_fit import RatioFit, without_calibration
    from simulacra.fits.detector_level import fit_detector_level
    from simulacra.fits.fit import Precision

    def once(events: EmbeddedEvents, held: Mapping[str, float], points: int = 0) -> Fit:
        precision = Precision(scan_points=points)
        return fit_detector_level(model.ratios(), events.only(0), pairs, free=free, fixed=held, precision=precision)

    pool, known = runs
    found = once(data, fixed, SCAN_POINTS)
    if pool is None or known is None:
        # The effect of fixed parameters on the others is computed from the particles.
        by_particles = RatioFit(model, pairs.particles, calibrated=False)
        return without_calibration(found, model, by_particles.information), None
    curve = _curve(lambda run, held: once(run, held).estimates, pool, known, free, fixed, tell)
    return apply_curve(found, curve), curve


def _curve(
    estimate: Estimate,
    pool: EmbeddedEvents,
    runs: KnownTruth,
    free: Sequence[str],
    fixed: Mapping[str, float],
    tell: Progress,
) -> CalibrationCurve:
    """Fit each run of known parameters and return the calibration."""
    import numpy as np

    from simulacra.fits.calibration_curve import calibration_curve

    estimates, truths = [], []
    for number, (rows, truth) in enumerate(zip(runs.samples, runs.truths, strict=True)):
        tell(f"calibrating: run {number + 1} of {len(runs.samples)}", (number + 1) / (len(runs.samples) + 1))
        held = {name: value for name, value in truth.items() if name not in free}
        estimates.append(estimate(pool.select(rows), {**fixed, **held}))
        truths.append([truth[name] for name in free])
    curve = calibration_curve(free, np.array(truths), np.array(estimates))
    if wrong := [name for name, slope in zip(free, np.diag(curve.slope), strict=True) if slope < 0]:
        raise ValueError(
            f"the estimates of {', '.join(wrong)} fall when the truth rises: the runs were simulated with other "
            "parameters than they say, or the reweighter is for something else"
        )
    return curve
