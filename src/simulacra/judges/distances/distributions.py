"""Distances of every observable's distribution from the truth's."""

from __future__ import annotations

import numpy as np

from simulacra.judges.distances.histograms import Comparison, binning_of, histogram, joined
from simulacra.judges.distances.two_sample import Resamples, compare, standard_deviation
from simulacra.judges.finding import Finding
from simulacra.judges.samples import Sample
from simulacra.judges.wording import with_error


def judge_distributions(
    truth: Sample, generated: Sample, pool: Sample, resamples: Resamples
) -> tuple[list[Finding], tuple[Comparison, ...]]:
    """Return separation power and Wasserstein distance of each observable, and the histograms, the worst first."""
    findings: list[Finding] = []
    comparisons: list[tuple[float, Comparison]] = []
    for name, values in truth.observables.items():
        other, units, title = generated.observables[name], truth.units[name], truth.long_names[name]
        binning = binning_of(values)
        separation, wasserstein = compare(
            values,
            other,
            resamples,
            truth_weights=truth.weights,
            generated_weights=generated.weights,
            pool=pool.observables[name],
            pool_weights=pool.weights,
            binning=binning,
        )
        spread = standard_deviation(values, truth.weights)
        if spread <= 1e-12 * np.abs(values).max():
            # An observable that is constant in the truth: its own spread is no scale, that of both samples is one.
            spread = float(np.concatenate([values, other]).std()) or 1.0
        value, error = wasserstein.value / spread, wasserstein.uncertainty / spread
        chance, chance_error = wasserstein.truth_value / spread, wasserstein.truth_uncertainty / spread
        in_units = "" if units == "1" else f" ({with_error(wasserstein.value, wasserstein.uncertainty, units)})"
        findings.append(
            Finding(
                judge="wasserstein_distance",
                observable=name,
                value=value,
                uncertainty=error,
                units="truth standard deviations",
                truth_value=chance,
                truth_uncertainty=chance_error,
                p_value=wasserstein.p_value,
                sentence=(
                    f"{title}: the distributions lie {with_error(value, error)} standard deviations{in_units} apart; "
                    f"{truth.label} against itself {with_error(chance, chance_error)}."
                ),
                details={
                    "in_units": wasserstein.value,
                    "uncertainty_in_units": wasserstein.uncertainty,
                    "observable_units": units,
                    "scale": spread,
                },
                n_truth=len(truth),
                n_generated=len(generated),
            )
        )
        findings.append(
            Finding(
                judge="separation_power",
                observable=name,
                value=separation.value,
                uncertainty=separation.uncertainty,
                truth_value=separation.truth_value,
                truth_uncertainty=separation.truth_uncertainty,
                p_value=separation.p_value,
                sentence=(
                    f"{title}: separation power {with_error(separation.value, separation.uncertainty)}; {truth.label} "
                    f"against itself {with_error(separation.truth_value, separation.truth_uncertainty)}."
                ),
                details={"bins": len(joined(binning, values))},
                n_truth=len(truth),
                n_generated=len(generated),
            )
        )
        both = (histogram(s.observables[name], s.weights, binning) for s in (truth, generated))
        comparisons.append((value, Comparison(name, units, title, binning, *both)))
    comparisons.sort(key=lambda pair: -pair[0])
    return findings, tuple(comparison for _, comparison in comparisons)
