"""Fits and their coverage: pseudo-experiments of known truth, at particle level and behind the detector.

Each estimator is calibrated by runs at other parameters (30 for one, 60 for three: a line, or a plane, through
estimates against truths), as mass measurements are; bias and coverage are given before and after. Log ratios are
interpolated in the parameters (``simulacra.fits.interpolation``), so that hundreds of fits share one evaluation of the
networks.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from benchmarks.reweighting.samples import PARAMETERS, THREE, TRUTHS, events

from simulacra.fits.calibration_curve import CalibrationCurve, calibrate, calibration_curve
from simulacra.fits.coverage import Coverage, pseudo_experiments
from simulacra.fits.detector_level import SimulatedPairs, fit_detector_level
from simulacra.fits.embedded import EmbeddedEvents
from simulacra.fits.errors import FitError, FitWarning
from simulacra.fits.fit import Precision, fit
from simulacra.fits.from_events import embed_events, runs_of
from simulacra.fits.interpolation import Interpolation
from simulacra.fits.page import fit_page
from simulacra.fits.result import Fit
from simulacra.pages import write_page
from simulacra.reweighting.reweighter import Reweighter

SIZES: Final = {1: 5_000, 3: 10_000}
EXPERIMENTS: Final = {1: 100, 3: 30}
REFERENCE: Final = 100_000
NESTED_SIMULATION: Final = 60_000

FitOne = Callable[[EmbeddedEvents], Fit]


def names_of(target: str) -> tuple[str, ...]:
    """Return the parameters that are fitted to a target."""
    return PARAMETERS if target == "three" else (target,)


def truth_of(target: str) -> dict[str, float]:
    """Return the true values of a target's fitted parameters."""
    return THREE if target == "three" else {target: TRUTHS[target]}


def particle_level(folder: Path, target: str, method: str, model: str, scale: float) -> dict[str, Any]:
    """Fit at particle level by the learned likelihood ratio or the classifier's loss."""
    reweighter = Reweighter.load(model)
    reference = embed_events(reweighter, events(folder, "default"), part="test", most=REFERENCE, label="reference")
    fit_one = _one_level(reweighter, reference, names_of(target), method)
    return _run(folder, f"{method}-{target}", target, "", reweighter, fit_one, scale)


def one_classifier(folder: Path, target: str, model: str, scale: float) -> dict[str, Any]:
    """Fit behind the detector with the detector-level log ratio (SRGN's one-classifier form)."""
    reweighter = Reweighter.load(model)
    reference = embed_events(reweighter, events(folder, "default-seen"), part="test", most=REFERENCE, label="reference")
    fit_one = _one_level(reweighter, reference, names_of(target), "classifier_loss")
    return _run(folder, f"one-classifier-{target}", target, "-seen", reweighter, fit_one, scale)


def naive(folder: Path, target: str, model: str, scale: float) -> dict[str, Any]:
    """Fit detector-level data with the particle-level ratio, as if there were no detector; not calibrated."""
    reweighter = Reweighter.load(model)
    reference = embed_events(reweighter, events(folder, "default"), part="test", most=REFERENCE, label="reference")
    fit_one = _one_level(reweighter, reference, names_of(target), "classifier_loss")
    return _run(folder, f"naive-{target}", target, "-seen", reweighter, fit_one, scale, calibrated=False, most=20)


def nested(folder: Path, target: str, model: str, seen_model: str, scale: float) -> dict[str, Any]:
    """Fit behind the detector by SRGN's nested form: particle-level weights, a detector-level classifier inside."""
    particle, seen = Reweighter.load(model), Reweighter.load(seen_model)
    names = names_of(target)
    options = {"part": "test", "most": NESTED_SIMULATION}
    particles = embed_events(particle, events(folder, "default"), label="simulation", **options)
    detector = embed_events(seen, events(folder, "default-seen"), label="simulation", **options).only(0)
    turned = Interpolation(particle.ratios(), free=names)
    pairs = SimulatedPairs(turned(particles), detector)

    def fit_one(data: EmbeddedEvents) -> Fit:
        return fit_detector_level(turned.ratios, data.only(0), pairs, free=names, precision=Precision())

    return _run(folder, f"nested-{target}", target, "-seen", seen, fit_one, scale)


def _one_level(reweighter: Reweighter, reference: EmbeddedEvents, names: tuple[str, ...], method: str) -> FitOne:
    turned = Interpolation(reweighter.ratios(), free=names)
    there = turned(reference)

    def fit_one(data: EmbeddedEvents) -> Fit:
        return fit(turned.ratios, turned(data), there, method=method, free=names, precision=Precision())

    return fit_one


def _run(
    folder: Path,
    name: str,
    target: str,
    seen: str,
    embedder: Reweighter,
    fit_one: FitOne,
    scale: float,
    *,
    calibrated: bool = True,
    most: int | None = None,
) -> dict[str, Any]:
    """Calibrate, run the pseudo-experiments without and with the calibration, and write the page."""
    names, truth = names_of(target), truth_of(target)
    size = SIZES[len(names)]
    count = max(4, round(EXPERIMENTS[len(names)] * min(scale, 1.0)))
    count = count if most is None else min(count, most)
    pool = embed_events(embedder, events(folder, f"{target}{seen}"), most=count * size, label="data")
    experiments = [pool.select(np.arange(k * size, (k + 1) * size)) for k in range(len(pool) // size)]
    curve = _curve(folder, f"{target}{seen}", embedder, fit_one, names) if calibrated else None
    raw: list[Fit] = []

    def plain(sample: EmbeddedEvents) -> Fit:
        raw.append(fit_one(sample))
        return raw[-1]

    before = pseudo_experiments(plain, experiments, truth)
    coverage = {"as fitted": before}
    after = None
    if curve is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FitWarning)
            done = iter([calibrate(one, curve) for one in raw])
        after = pseudo_experiments(lambda _: next(done), experiments[: len(raw)], truth)
        coverage = {"calibrated": after, **coverage}
    first = fit_one(experiments[0])
    page = fit_page(
        {"calibrated": calibrate(first, curve), "as fitted": first} if curve is not None else {"as fitted": first},
        title=f"{', '.join(names)}: {name.rsplit('-', 1)[0].replace('_', ' ').replace('-', ' ')}",
        truth=truth,
        coverage=coverage,
        curve=curve,
    )
    write_page(folder / "pages" / f"fit-{name}", page)
    result: dict[str, Any] = {
        "target": target,
        "events": size,
        "as_fitted": _numbers(before),
        "first_fit": {
            "values": first.values,
            "errors": first.errors,
            "parts": {n: first.error_parts(n) for n in names},
        },
    }
    if after is not None and curve is not None:
        result |= {"calibrated": _numbers(after), "slope": curve.slope.tolist(), "intercept": curve.intercept.tolist()}
    return result


def _curve(
    folder: Path, target: str, embedder: Reweighter, fit_one: FitOne, names: tuple[str, ...]
) -> CalibrationCurve:
    """Fit the runs of the target's calibration sample."""
    sample = events(folder, f"calibration-{target}")
    runs = runs_of(sample, names)
    pool = embed_events(embedder, sample, label="calibration")
    truths, estimates = [], []
    for rows, truth in zip(runs.samples, runs.truths, strict=True):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FitWarning)
            try:
                found = fit_one(pool.select(rows))
            except FitError as error:
                print(f"  a calibration run was left out: {error}")
                continue
        truths.append([truth[name] for name in found.parameters])
        estimates.append(found.estimates)
    return calibration_curve(names, np.array(truths), np.array(estimates))


def _numbers(coverage: Coverage) -> dict[str, Any]:
    return {name: vars(coverage.of(name)) for name in coverage.parameters} | {
        "pulls": coverage.pulls.tolist(),
        "estimates": coverage.estimates.tolist(),
        "warned": coverage.warned,
    }
