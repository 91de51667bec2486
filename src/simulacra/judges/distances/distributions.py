"""Distances of every observable's distribution from the truth's."""

from __future__ import annotations

import numpy as np

from simulacra.judges.finding import Finding
from simulacra.judges.samples import Sample
from simulacra.statistics.distances.divisions import Replicates
from simulacra.statistics.distances.histograms import Comparison, binning_of, histogram, joined
from simulacra.statistics.distances.two_sample import (
    KOLMOGOROV_SMIRNOV,
    WASSERSTEIN,
    Distance,
    Lines,
    standard_deviation,
)
from simulacra.statistics.outliers import reined
from simulacra.wording import with_error


def judge_distributions(
    truth: Sample, generated: Sample, pool: Sample, replicates: Replicates
) -> tuple[list[Finding], tuple[Comparison, ...]]:
    """Return each observable's Wasserstein and Kolmogorov-Smirnov distances and separation power, and the histograms.

    Parameters
    ----------
    truth, generated:
        the two samples.
    pool:
        the truth events that ``replicates.halves`` are of: the truth itself, or it and further truth.
    replicates:
        for the weights of truth and generated events (see :func:`two_sample.of_pool` for a larger pool).

    Returns
    -------
    tuple
        the findings by observable, and the histograms by falling Wasserstein distance.
    """
    findings: list[Finding] = []
    comparisons: list[tuple[float, Comparison]] = []
    lines = Lines(replicates)
    for name, values in truth.observables.items():
        other, title = generated.observables[name], truth.long_names[name]
        of_pool = None if pool is truth else pool.observables[name]
        binning = binning_of(values)
        coarse = joined(binning, values)
        scores = lines.scores(values, other, of_pool)
        in_units, scale = scores[WASSERSTEIN].distance, scale_of(values, other, truth.weights)
        distance = scores[WASSERSTEIN].times(1 / scale).distance
        findings += [
            _wasserstein(name, title, distance, in_units, scale, truth, len(generated)),
            _plain(
                "separation_power",
                name,
                f"{title}: separation power",
                lines.separation(values, other, coarse, of_pool).distance,
                truth,
                len(generated),
                bins=len(coarse),
            ),
            _plain(
                "kolmogorov_smirnov",
                name,
                f"{title}: the cumulative distributions differ by up to",
                scores[KOLMOGOROV_SMIRNOV].distance,
                truth,
                len(generated),
            ),
        ]
        both = (histogram(s.observables[name], s.weights, binning) for s in (truth, generated))
        comparisons.append((distance.value, Comparison(name, truth.units[name], title, binning, *both)))
    comparisons.sort(key=lambda pair: -pair[0])
    return findings, tuple(comparison for _, comparison in comparisons)


def scale_of(truth: np.ndarray, generated: np.ndarray, truth_weights: np.ndarray) -> float:
    """Return the truth's standard deviation, (N,); that of both samples together, or 1, where the truth is constant."""
    # Neither sample's far outliers may make the others' distances look small.
    ours, theirs = (values[:, 0] for values in reined(truth[:, None], generated[:, None], huge=False))
    spread = standard_deviation(ours, truth_weights)
    if spread > 1e-12 * np.abs(ours).max():
        return spread
    return float(np.concatenate([ours, theirs]).std()) or 1.0


def _wasserstein(
    name: str, title: str, distance: Distance, in_units: Distance, scale: float, truth: Sample, n_generated: int
) -> Finding:
    units = truth.units[name]
    physical = "" if units == "1" else f" ({with_error(in_units.value, in_units.uncertainty, units)})"
    return Finding(
        judge="wasserstein_distance",
        observable=name,
        units="truth standard deviations",
        sentence=(
            f"{title}: the distributions lie {with_error(distance.value, distance.uncertainty)} standard deviations"
            f"{physical} apart; {truth.label} against itself "
            f"{with_error(distance.truth_value, distance.truth_uncertainty)}."
        ),
        details={
            "in_units": in_units.value,
            "uncertainty_in_units": in_units.uncertainty,
            "observable_units": units,
            "scale": scale,
        },
        n_truth=len(truth),
        n_generated=n_generated,
        **vars(distance),
    )


def _plain(
    judge: str, name: str, beginning: str, distance: Distance, truth: Sample, n_generated: int, **details: int
) -> Finding:
    return Finding(
        judge=judge,
        observable=name,
        sentence=(
            f"{beginning} {with_error(distance.value, distance.uncertainty)}; {truth.label} against itself "
            f"{with_error(distance.truth_value, distance.truth_uncertainty)}."
        ),
        details=dict(details),
        n_truth=len(truth),
        n_generated=n_generated,
        **vars(distance),
    )
