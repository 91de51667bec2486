"""All features at once: all distances between two samples without training, as findings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from pydantic import JsonValue

from simulacra.judges.finding import Finding
from simulacra.progress import Progress, silent
from simulacra.statistics.distances.correlations import Correlations, correlations_of
from simulacra.statistics.distances.divisions import Replicates
from simulacra.statistics.distances.frechet import frechet_physics_distance
from simulacra.statistics.distances.kernels import KernelDistance, kernel_physics_distance, maximum_mean_discrepancy
from simulacra.statistics.distances.likelihood_ratio import LearnedRatio, Region, learned_likelihood_ratio
from simulacra.statistics.distances.manifold import NEIGHBOURS, SCORES, judge_manifold
from simulacra.statistics.distances.slices import slice_distances
from simulacra.statistics.distances.two_sample import Distance
from simulacra.statistics.features import Features
from simulacra.wording import MINUS, decimals, with_error

CLEAR: Final = 0.01


@dataclass(frozen=True)
class InWords:
    """The description of a distance.

    Attributes
    ----------
    title:
        its name in sentences.
    sees:
        differences to which it is sensitive.
    units:
        of a finding's value.
    scale:
        factor on values in sentences and tables.
    """

    title: str
    sees: str
    units: str = "1"
    scale: int = 1

    def say(self, value: float, error: float) -> str:
        """Return a value with its error for sentences and tables."""
        if self.units == "share":
            return with_error(value, error, "%")
        value, error = self.scale * value, self.scale * error
        if error > 0:  # No minus sign stands before a value that is rounded to 0.
            value = round(value, decimals(error)) + 0.0
        return with_error(value, error) if self.scale == 1 else f"({with_error(value, error)}) × 10⁻³"


DISTANCES: Final[Mapping[str, InWords]] = MappingProxyType(
    {
        "frechet_physics_distance": InWords(
            "Frechet physics distance", "means, widths and linear correlations; blind to shapes beyond", "σ²", 1000
        ),
        "kernel_physics_distance": InWords("kernel physics distance", "moments up to the fourth; tails", "1", 1000),
        "maximum_mean_discrepancy": InWords(
            "Gaussian maximum mean discrepancy", "any difference that is about as wide as the sample", "1", 1000
        ),
        "learned_likelihood_ratio": InWords(
            "learned likelihood ratio (NPLM)", "any difference of the densities that is not too narrow", "nat", 1000
        ),
        "precision": InWords("precision", "generated events where the truth has none", "share"),
        "recall": InWords("recall", "truth events where the generator makes none", "share"),
        "density": InWords("density", "generated events crowding where the truth is dense (above 1) or not (below)"),
        "coverage": InWords("coverage", "lost modes and thin regions", "share"),
        "mean_kolmogorov_smirnov": InWords("mean Kolmogorov-Smirnov distance", "each observable by itself"),
        "mean_wasserstein": InWords("mean 1-Wasserstein distance", "each observable by itself; tails", "σ"),
        "sliced_kolmogorov_smirnov": InWords("sliced Kolmogorov-Smirnov distance", "any sum of observables"),
        "sliced_wasserstein": InWords("sliced 1-Wasserstein distance", "any sum of observables; tails", "σ"),
        "max_sliced_wasserstein": InWords("largest sliced 1-Wasserstein distance", "the worst sum of observables", "σ"),
        "energy_distance": InWords("energy distance", "any difference, shifts most of all", "σ", 1000),
        "correlations": InWords("distance of the correlation matrices", "linear dependence of pairs"),
        "rank_correlations": InWords("distance of the rank correlation matrices", "monotonic dependence of pairs"),
    }
)
_MEANING: Final[Mapping[str, str]] = MappingProxyType(
    {
        "precision": "of the generated events are where there is {truth}",
        "recall": "of {truth} is where there are generated events",
        "density": "times as many generated events as {truth} has are close to an event of it",
        "coverage": "of {truth} has a generated event close by",
    }
)


@dataclass(frozen=True)
class Multivariate:
    """The distances of all features.

    Attributes
    ----------
    findings:
        one per distance, named as in :data:`DISTANCES`.
    correlations:
        of both samples; None for a single feature.
    """

    findings: tuple[Finding, ...]
    correlations: Correlations | None


def compare_all(
    features: Features,
    rng: np.random.Generator,
    *,
    labels: tuple[str, str] = ("truth", "generated"),
    what: str = "observables",
    signed: bool = False,
    progress: Progress | None = None,
) -> Multivariate:
    """Return all distances between two samples, each with its error, truth against truth and p-value.

    Parameters
    ----------
    features:
        of truth and generated events, standardised.
    rng:
        for all divisions, directions and batches.
    labels:
        names of truth and generated events in sentences.
    what:
        name of the features.
    signed:
        whether weights may be negative; only the sliced distances and those of each observable are then computed.
    progress:
        called with each step.

    Raises
    ------
    ValueError
        if a sample has too few events.
    """
    tell = progress or silent
    findings: list[Finding] = []

    def add(
        name: str, distance: Distance, used: tuple[int, int] | None = None, more: str = "", **details: JsonValue
    ) -> None:
        findings.append(_finding(name, distance, features, labels, what, used, details, more))

    tell("Frechet physics distance", 0.0)
    replicates = Replicates.draw(features.truth_weights, features.generated_weights, rng)
    if signed:
        for name, distance in slice_distances(features, replicates, rng).items():
            add(name, distance)
        return Multivariate(tuple(findings), None)
    add("frechet_physics_distance", frechet_physics_distance(features, replicates, rng))
    tell("kernel distances", 0.05)
    for name, judge in (
        ("kernel_physics_distance", kernel_physics_distance),
        ("maximum_mean_discrepancy", maximum_mean_discrepancy),
    ):
        kernel: KernelDistance = judge(features, rng)
        used = (kernel.batches * kernel.batch_truth, kernel.batches * kernel.batch_generated)
        add(name, kernel.distance, used, batches=kernel.batches, batch_spread=kernel.spread, bandwidth=kernel.bandwidth)
    tell("learned likelihood ratio", 0.3)
    learned = learned_likelihood_ratio(features, rng)
    add(
        "learned_likelihood_ratio",
        learned.distance,
        learned.events,
        _regions_in_words(learned, labels),
        statistic=learned.statistic,
        **{name: _region(region) for name, region in _regions(learned).items()},
    )
    tell("precision, recall, density, coverage", 0.45)
    manifold = judge_manifold(features, rng)
    for score in SCORES:
        add(
            score,
            getattr(manifold, score),
            (manifold.events, manifold.events),
            neighbours=NEIGHBOURS,
            clipped_weight=manifold.clipped,
        )
    tell("sliced distances", 0.7)
    for name, distance in slice_distances(features, replicates, rng).items():
        add(name, distance)
    tell("correlations", 0.95)
    correlations = None
    if features.truth.shape[1] > 1:
        found, correlations = judge_correlations(features, replicates, label=labels[0])
        findings += found
    return Multivariate(tuple(findings), correlations)


def _finding(
    name: str,
    distance: Distance,
    features: Features,
    labels: tuple[str, str],
    what: str,
    used: tuple[int, int] | None,
    details: dict[str, JsonValue],
    more: str,
) -> Finding:
    words = DISTANCES[name]
    ours = words.say(distance.value, distance.uncertainty)
    theirs = words.say(distance.truth_value, distance.truth_uncertainty)
    if name in _MEANING:
        statement = f"{words.title.capitalize()}: {ours} {_MEANING[name].format(truth=labels[0])}"
    else:
        statement = f"The {words.title} of the {what} is {ours}"
    chance = "beyond chance" if distance.p_value < CLEAR else "within chance"
    return Finding.of(
        name,
        what,
        astuple(distance),
        used or (len(features.truth), len(features.generated)),
        f"{statement}; {labels[0]} against itself {theirs}: a difference {chance} (p = {distance.p_value:.2g}).{more}",
        units="1" if words.units == "share" else words.units,
        details={"features": len(features.names), **details},
    )


def _regions(found: LearnedRatio) -> dict[str, Region]:
    """Return the regions in which there are events."""
    regions = {"excess": found.excess, "deficit": found.deficit}
    return {name: region for name, region in regions.items() if region is not None}


def _regions_in_words(found: LearnedRatio, labels: tuple[str, str]) -> str:
    """Return sentences on the regions of excess and deficit."""
    return "".join(
        f" Where it learned most {name} ({_apart(region)}), {labels[1]} have {with_error(region.ratio, region.error)} "
        f"times the share of {labels[0]} (p = {region.p_value:.2g}), on events that it did not learn from."
        for name, region in _regions(found).items()
    )


def _apart(region: Region) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {mean:+.1f} σ".replace("-", MINUS) for name, mean in region.features)


def _region(region: Region) -> dict[str, JsonValue]:
    return {
        "ratio": region.ratio,
        "error": region.error,
        "p_value": region.p_value,
        "mean": dict(region.features),
    }


def judge_correlations(
    features: Features, replicates: Replicates, *, label: str = "truth"
) -> tuple[list[Finding], Correlations]:
    """Return findings on correlations and on rank correlations, and the correlations themselves.

    ``label`` is the name of the truth in sentences; the parameters are those of :func:`correlations_of`.
    """
    linear, ranked = (correlations_of(features, replicates, ranks=ranks) for ranks in (False, True))
    return [
        _correlation("correlations", "correlations", linear, features, label),
        _correlation("rank_correlations", "rank correlations", ranked, features, label),
    ], linear


def _correlation(judge: str, what: str, found: Correlations, features: Features, label: str) -> Finding:
    i, j = found.worst
    pair = f"{found.names[i].replace('_', ' ')} and {found.names[j].replace('_', ' ')}"
    distance, error = found.distance, float(found.error[i, j])
    ours = with_error(float(found.generated[i, j]), error)
    theirs = f"{found.truth[i, j]:.{decimals(error) if error > 0 else 2}f}".replace("-", MINUS)
    return Finding.of(
        judge,
        "all pairs",
        astuple(distance),
        (len(features.truth), len(features.generated)),
        f"The {what} differ by {with_error(distance.value, distance.uncertainty)} (root mean square of all pairs); "
        f"{label} against itself {with_error(distance.truth_value, distance.truth_uncertainty)}. The worst pair is "
        f"{pair}: {ours} instead of {theirs} (p = {found.worst_p_value:.2g} for the worst of all pairs).",
        details={
            "worst_pair": [found.names[i], found.names[j]],
            "worst_truth": float(found.truth[i, j]),
            "worst_generated": float(found.generated[i, j]),
            "worst_uncertainty": error,
            "worst_p_value": found.worst_p_value,
        },
    )
