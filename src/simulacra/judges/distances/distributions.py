"""Distances of every observable's distribution from the truth's."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

import numpy as np

from simulacra.judges.finding import Finding
from simulacra.judges.samples import Sample
from simulacra.statistics.distances.divisions import Replicates
from simulacra.statistics.distances.histograms import HistogramPair, binning_of, histogram, joined
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
) -> tuple[list[Finding], tuple[HistogramPair, ...]]:
    """Return each observable's Wasserstein and Kolmogorov-Smirnov distances and separation power, and the histograms.

    Parameters
    ----------
    truth, generated:
        the two samples.
    pool:
        the truth events of ``replicates.halves``: the truth itself, or with further truth.
    replicates:
        for the weights of truth and generated events (see :func:`two_sample.of_pool` for a larger pool).

    Returns
    -------
    tuple
        the findings by observable, and the histograms by falling Wasserstein distance.
    """
    findings: list[Finding] = []
    pairs: list[tuple[float, HistogramPair]] = []
    lines = Lines(replicates)
    for name, values in truth.observables.items():
        other, title = generated.observables[name], truth.long_names[name]
        of_pool = None if pool is truth else pool.observables[name]
        binning = binning_of(values)
        coarse = joined(binning, values)
        scores = lines.scores(values, other, of_pool)
        in_units, scale = scores[WASSERSTEIN].distance, scale_of(values, other, truth.weights)
        distance, units = scores[WASSERSTEIN].times(1 / scale).distance, truth.units[name]
        physical = "" if units == "1" else f" ({with_error(in_units.value, in_units.uncertainty, units)})"
        about = (name, truth, len(generated))
        findings += [
            _finding(
                "wasserstein_distance",
                distance,
                about,
                f"{title}: the distributions are",
                f" standard deviations{physical} apart",
                units="truth standard deviations",
                details={
                    "in_units": in_units.value,
                    "uncertainty_in_units": in_units.uncertainty,
                    "observable_units": units,
                    "scale": scale,
                },
            ),
            _finding(
                "separation_power",
                lines.separation(values, other, coarse, of_pool).distance,
                about,
                f"{title}: separation power",
                details={"bins": len(coarse)},
            ),
            _finding(
                "kolmogorov_smirnov",
                scores[KOLMOGOROV_SMIRNOV].distance,
                about,
                f"{title}: the cumulative distributions differ by up to",
            ),
        ]
        both = (histogram(s.observables[name], s.weights, binning) for s in (truth, generated))
        pairs.append((distance.value, HistogramPair(name, truth.units[name], title, binning, *both)))
    pairs.sort(key=lambda one: -one[0])
    return findings, tuple(pair for _, pair in pairs)


def scale_of(truth: np.ndarray, generated: np.ndarray, truth_weights: np.ndarray) -> float:
    """Return the truth's standard deviation, (N,); that of both samples together, or 1, if the truth is constant."""
    # Neither sample's far outliers may make the others' distances look small.
    ours, theirs = (values[:, 0] for values in reined(truth[:, None], generated[:, None], huge=False))
    spread = standard_deviation(ours, truth_weights)
    if spread > 1e-12 * np.abs(ours).max():
        return spread
    return float(np.concatenate([ours, theirs]).std()) or 1.0


def _finding(
    judge: str, found: Distance, about: tuple[str, Sample, int], before: str, after: str = "", **more: Any
) -> Finding:
    """Return a finding on an observable of truth and generated events, also in words."""
    name, truth, n_generated = about
    ours, theirs = with_error(found.value, found.uncertainty), with_error(found.truth_value, found.truth_uncertainty)
    said = f"{before} {ours}{after}; {truth.label} against itself {theirs}."
    return Finding.of(judge, name, astuple(found), (len(truth), n_generated), said, **more)
