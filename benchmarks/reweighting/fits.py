"""Fits and their coverage: pseudo-experiments of known truth, at particle level and behind the detector.

Each estimator is calibrated by runs at other parameters (30 for one, 40 for three: a line, or a plane, through
estimates against truths), as mass measurements are; bias and coverage are given before and after. Log ratios are
interpolated in the parameters (``simulacra.fits.interpolation``), so hundreds of fits share one evaluation of the
networks.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from benchmarks.reweighting.samples import PARAMETERS, THREE, TRUTHS, events

from simulacra.fits.calibration_curve import CalibrationCurve, calibrate, calibration_curve
from simulacra.fits.coverage import Coverage, pseudo_experiments
from simulacra.fits.detector_level import SimulatedPairs, fit_detector_level
from simulacra.fits.embedded import EmbeddedEvents
from simulacra.fits.errors import FitError, FitWarning
from simulacra.fits.fit import fit
from simulacra.fits.from_events import embed_events, runs_of
from simulacra.fits.interpolation import Interpolation
from simulacra.fits.objective import Method
from simulacra.fits.page import Limits, fit_page
from simulacra.fits.result import Fit
from simulacra.pages import write_page
from simulacra.reweighting.reweighter import Reweighter

SIZES: Final = {1: 5_000, 3: 10_000}
EXPERIMENTS: Final = {1: 100, 3: 30}
REFERENCE: Final = 100_000
#: pseudo-experiments of the naive fit; a few show its bias
NAIVE: Final = 20

FitOne = Callable[[EmbeddedEvents], Fit]


def names_of(target: str) -> tuple[str, ...]:
    """Return the fitted parameters of a target."""
    return PARAMETERS if target == "three" else (target,)


def truth_of(target: str) -> dict[str, float]:
    """Return the true values of a target's fitted parameters."""
    return THREE if target == "three" else {target: TRUTHS[target]}


def particle_level(folder: Path, target: str, model: str, scale: float) -> dict[str, Any]:
    """Fit at particle level, by the learned likelihood ratio and by the classifier's loss."""
    reweighter, names = Reweighter.load(model), names_of(target)
    turned = Interpolation(reweighter.ratios(), free=names)
    reference = embed_events(reweighter, events(folder, "default"), part="test", most=REFERENCE, label="reference")
    there = turned(reference)

    def fit_by(method: Method) -> FitOne:
        return lambda data: fit(turned.ratios, data, there, method=method, free=names)

    estimators = {"likelihood ratio": fit_by("likelihood_ratio"), "classifier loss": fit_by("classifier_loss")}
    return _run(folder, target, "particle", _Source(folder, target, "", reweighter, turned), estimators, scale)


def detector_level(folder: Path, target: str, model: str, seen_model: str, scale: float) -> dict[str, Any]:
    """Fit behind the detector: SRGN's nested and one-classifier forms, and as if there were no detector."""
    particle, seen, names = Reweighter.load(model), Reweighter.load(seen_model), names_of(target)
    simulated = embed_events(seen, events(folder, "default-seen"), part="test", most=REFERENCE, label="reference")
    made_from = embed_events(particle, events(folder, "default"), part="test", most=REFERENCE, label="reference")
    turned, turned_seen = Interpolation(particle.ratios(), free=names), Interpolation(seen.ratios(), free=names)
    particles, there = turned(made_from), turned_seen(simulated)
    pairs = SimulatedPairs(particles, simulated.only(0))

    def nested(data: EmbeddedEvents) -> Fit:
        return fit_detector_level(turned.ratios, data.only(0), pairs, free=names)

    def one_classifier(data: EmbeddedEvents) -> Fit:
        return fit(turned_seen.ratios, turned_seen(data), there, method="classifier_loss", free=names)

    estimators = {"nested": nested, "one classifier": one_classifier}
    found = _run(folder, target, "detector", _Source(folder, target, "-seen", seen, None), estimators, scale)

    def naive(data: EmbeddedEvents) -> Fit:
        return fit(turned.ratios, data, particles, method="classifier_loss", free=names)

    ignoring = _Source(folder, target, "-seen", particle, turned)
    return found | _run(folder, target, "naive", ignoring, {"naive": naive}, scale, calibrated=False, most=NAIVE)


@dataclass(frozen=True)
class _Source:
    """The source of data: a target's store, at particle or detector level, embedded, and optionally interpolated."""

    folder: Path
    target: str
    seen: str
    embedder: Reweighter
    turned: Interpolation | None

    def data(self, size: int, count: int) -> list[EmbeddedEvents]:
        """Return disjoint pseudo-experiments."""
        sample = events(self.folder, f"{self.target}{self.seen}")
        pool = embed_events(self.embedder, sample, most=count * size, label="data")
        return self._cut(pool, [np.arange(k * size, (k + 1) * size) for k in range(len(pool) // size)])

    def runs(self) -> tuple[list[EmbeddedEvents], tuple[dict[str, float], ...]]:
        """Return the runs of the calibration sample and their truths."""
        sample = events(self.folder, f"calibration-{self.target}{self.seen}")
        found = runs_of(sample, names_of(self.target))
        return self._cut(embed_events(self.embedder, sample, label="calibration"), found.samples), found.truths

    def _cut(self, pool: EmbeddedEvents, rows: Sequence[np.ndarray]) -> list[EmbeddedEvents]:
        pieces = [pool.select(chosen) for chosen in rows]
        return pieces if self.turned is None else [self.turned(piece) for piece in pieces]


def _run(
    folder: Path,
    target: str,
    level: str,
    source: _Source,
    estimators: Mapping[str, FitOne],
    scale: float,
    *,
    calibrated: bool = True,
    most: int | None = None,
) -> dict[str, Any]:
    """Run the pseudo-experiments of each estimator without and with its calibration, and write its page."""
    names, truth = names_of(target), truth_of(target)
    size = SIZES[len(names)]
    count = max(4, round(EXPERIMENTS[len(names)] * min(scale, 1.0)))
    experiments = source.data(size, count if most is None else min(count, most))
    runs = source.runs() if calibrated else None
    result: dict[str, Any] = {}
    for name, fit_one in estimators.items():
        raw: list[Fit] = []

        def keeping(sample: EmbeddedEvents, fit_one: FitOne = fit_one, raw: list[Fit] = raw) -> Fit:
            raw.append(fit_one(sample))
            return raw[-1]

        before = pseudo_experiments(keeping, experiments, truth)
        coverage, fits, curve = {"as fitted": before}, {"as fitted": raw[0]}, None
        numbers: dict[str, Any] = {"events": size, "target": target, "as_fitted": _numbers(before)}
        if runs is not None:
            curve = _curve(*runs, fit_one, names)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FitWarning)
                corrected = [calibrate(one, curve) for one in raw]
            answers = iter(corrected)
            after = pseudo_experiments(lambda _: next(answers), experiments[: len(raw)], truth)  # noqa: B023
            coverage, fits = {"calibrated": after, **coverage}, {"calibrated": corrected[0], **fits}
            numbers |= {
                "calibrated": _numbers(after),
                "slope": curve.slope.tolist(),
                "slope_errors": curve.slope_errors().tolist(),
                "intercept": curve.intercept.tolist(),
            }
        first = next(iter(fits.values()))
        numbers["first_fit"] = {
            "values": first.values,
            "errors": first.errors,
            "parts": {parameter: first.error_parts(parameter) for parameter in names},
        }
        result[name] = numbers
        page = fit_page(
            fits,
            title=f"{', '.join(names)} by {name}, {level} level",
            truth=truth,
            coverage=coverage,
            curve=curve,
            limits=Limits(bias_percent=1.0 if len(names) == 1 else 2.0),
        )
        write_page(folder / "pages" / f"fit-{name.replace(' ', '-')}-{target}", page)
    return result


def _curve(
    samples: Sequence[EmbeddedEvents], truths: Sequence[dict[str, float]], fit_one: FitOne, names: tuple[str, ...]
) -> CalibrationCurve:
    """Fit runs at known parameters."""
    known, estimates = [], []
    for sample, truth in zip(samples, truths, strict=True):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FitWarning)
            try:
                found = fit_one(sample)
            except FitError as error:
                print(f"  a calibration run was left out: {error}")
                continue
        known.append([truth[name] for name in found.parameters])
        estimates.append(found.estimates)
    return calibration_curve(names, np.array(known), np.array(estimates))


def _numbers(coverage: Coverage) -> dict[str, Any]:
    return {name: vars(coverage.of(name)) for name in coverage.parameters} | {
        "pulls": coverage.pulls.tolist(),
        "estimates": coverage.estimates.tolist(),
        "truths": dict(zip(coverage.parameters, coverage.truths[0].tolist(), strict=True)),
        "warned": coverage.warned,
    }
