"""What a calorimeter physicist looks at: mean images; response, resolution and energy fractions against energy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from simulacra.geometry import CalorimeterGeometry
from simulacra.judges.distances.profiles import Profile, bin_edges, profile
from simulacra.judges.distances.two_sample import Resamples
from simulacra.judges.finding import Finding
from simulacra.judges.samples import Sample
from simulacra.judges.wording import with_error

NULL_REPLICATES: Final = 100


@dataclass(frozen=True)
class MeanImages:
    """Mean energy of each cell and its statistical error, (n_cells,) each, [MeV]."""

    truth: np.ndarray
    truth_error: np.ndarray
    generated: np.ndarray
    generated_error: np.ndarray


@dataclass(frozen=True)
class EnergyProfiles:
    """One quantity against the incident energy, in both samples."""

    quantity: str
    long_name: str
    edges: np.ndarray
    truth: Profile
    generated: Profile


@dataclass(frozen=True)
class ShowerEvidence:
    """What the figures of a report on showers are drawn from."""

    geometry: CalorimeterGeometry
    images: MeanImages
    profiles: tuple[EnergyProfiles, ...]


def judge_showers(
    truth: Sample, generated: Sample, pool: Sample, geometry: CalorimeterGeometry, resamples: Resamples
) -> tuple[list[Finding], ShowerEvidence]:
    """Compare mean images, response, resolution and energy fractions.

    Parameters
    ----------
    truth, generated:
        the two samples of showers.
    pool:
        the truth events that truth-against-truth pairs are drawn from.
    geometry:
        the detector.
    resamples:
        the replicates of the samples and of the pool.
    """
    findings, images = _judge_images(truth, generated, pool, resamples)
    edges = bin_edges(truth.conditions["incident_energy"], generated.conditions["incident_energy"])
    profiles: list[EnergyProfiles] = []
    if len(edges):
        quantities = ["energy_response"]
        quantities += [name for name in truth.observables if name.startswith("energy_fraction_")]
        profiles = [_profiles(name, truth, generated, edges) for name in (*quantities, "shower_depth")]
        findings += _judge_response(profiles[0], truth, generated, pool, resamples)
    return findings, ShowerEvidence(geometry, images, tuple(profiles))


def _profiles(name: str, truth: Sample, generated: Sample, edges: np.ndarray) -> EnergyProfiles:
    both = (
        profile(sample.conditions["incident_energy"], sample.observables[name], sample.weights, edges)
        for sample in (truth, generated)
    )
    return EnergyProfiles(name, truth.long_names[name], edges, *both)


def _judge_response(
    response: EnergyProfiles, truth: Sample, generated: Sample, pool: Sample, resamples: Resamples
) -> list[Finding]:
    """Return the largest deviations of mean response and of resolution from the truth's, over bins of energy."""
    chance = _chance_deviations(response.edges, pool, resamples)
    findings = []
    for column, (judge, noun) in enumerate(
        (("response_linearity", "mean energy response"), ("energy_resolution", "energy resolution"))
    ):
        deviation, error = (_mean_deviation, _width_deviation)[column](response.truth, response.generated)
        worst = int(np.argmax(np.abs(deviation)))
        low, high = response.edges[worst], response.edges[worst + 1]
        value, uncertainty = float(abs(deviation[worst])), float(error[worst])
        by_chance, spread = float(chance[column].mean()), float(chance[column].std(ddof=1))
        sign = "above" if deviation[worst] > 0 else "below"
        findings.append(
            Finding(
                judge=judge,
                observable="energy_response",
                value=value,
                uncertainty=uncertainty,
                truth_value=by_chance,
                truth_uncertainty=spread,
                p_value=(1 + int(np.sum(chance[column] >= value))) / (1 + len(chance[column])),
                n_truth=len(truth),
                n_generated=len(generated),
                region=f"incident_energy {low:.3g} to {high:.3g} GeV",
                sentence=(
                    f"The {noun} differs most from {truth.label}'s from {low:.3g} to {high:.3g} GeV, where it lies "
                    f"{with_error(value, uncertainty, '%')} {sign} it; the largest such difference "
                    f"between two {truth.label} samples is {with_error(by_chance, spread, '%')}."
                ),
                details={
                    "edges": response.edges.tolist(),
                    "deviation": deviation.tolist(),
                    "uncertainty": error.tolist(),
                },
            )
        )
    return findings


def _mean_deviation(truth: Profile, generated: Profile) -> tuple[np.ndarray, np.ndarray]:
    """Return generated over truth less 1 of the means, with its error, (bins,) each."""
    return _relative(generated.mean, generated.mean_error, truth.mean, truth.mean_error)


def _width_deviation(truth: Profile, generated: Profile) -> tuple[np.ndarray, np.ndarray]:
    """Return the same of the resolutions, width over mean."""
    with np.errstate(divide="ignore", invalid="ignore"):
        a, b = generated.width / generated.mean, truth.width / truth.mean
        return _relative(a, generated.width_error / generated.mean, b, truth.width_error / truth.mean)


def _relative(a: np.ndarray, a_error: np.ndarray, b: np.ndarray, b_error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a / b - 1 and its error; 0 where both are 0 or not defined."""
    fine = np.isfinite(a) & np.isfinite(b) & (b > 0)
    ratio = np.divide(a, b, out=np.ones_like(b), where=fine)
    error = np.divide(np.hypot(a_error, ratio * b_error), b, out=np.zeros_like(b), where=fine)
    return ratio - 1, error


def _chance_deviations(edges: np.ndarray, pool: Sample, resamples: Resamples) -> np.ndarray:
    """Return the largest deviations of mean and resolution between samples of truth, (2, replicates)."""
    energy, response = pool.conditions["incident_energy"], pool.observables["energy_response"]
    largest = []
    for first, second in zip(
        resamples.null_truth[:NULL_REPLICATES], resamples.null_generated[:NULL_REPLICATES], strict=True
    ):
        # An event that is drawn twice counts twice, and an empty bin would divide by 0.
        one, two = (profile(energy, response, pool.weights * counts + 1e-12, edges) for counts in (first, second))
        largest.append([np.abs(_mean_deviation(one, two)[0]).max(), np.abs(_width_deviation(one, two)[0]).max()])
    return np.array(largest).T


def _judge_images(
    truth: Sample, generated: Sample, pool: Sample, resamples: Resamples
) -> tuple[list[Finding], MeanImages]:
    """Return the share of the energy that the mean images put into different cells, and the images."""
    if truth.cells is None or generated.cells is None or pool.cells is None:
        raise ValueError("mean images need the cells of showers")
    chance = _misplaced(
        _means(pool.cells, pool.weights, resamples.null_truth),
        _means(pool.cells, pool.weights, resamples.null_generated),
    )
    spread = _misplaced(
        _means(truth.cells, truth.weights, resamples.truth),
        _means(generated.cells, generated.weights, resamples.generated),
    )
    images = MeanImages(*_mean_and_error(truth), *_mean_and_error(generated))
    value = float(_misplaced(images.truth[None], images.generated[None])[0])
    finding_error, by_chance, chance_error = (float(x) for x in (spread.std(ddof=1), chance.mean(), chance.std(ddof=1)))
    finding = Finding(
        judge="misplaced_energy",
        observable="mean_image",
        value=value,
        uncertainty=finding_error,
        truth_value=by_chance,
        truth_uncertainty=chance_error,
        p_value=(1 + int(np.sum(chance >= value))) / (1 + len(chance)),
        n_truth=len(truth),
        n_generated=len(generated),
        sentence=(
            f"The generated mean shower has {with_error(value, finding_error, '%')} of its energy in other cells than "
            f"{truth.label}'s; {truth.label} against itself {with_error(by_chance, chance_error, '%')}."
        ),
    )
    return [finding], images


def _mean_and_error(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    if sample.cells is None:
        raise ValueError("mean images need the cells of showers")
    share = sample.weights / sample.weights.sum()
    cells = sample.cells.astype(np.float64)
    mean = share @ cells
    return mean, np.sqrt(np.maximum(share**2 @ (cells - mean) ** 2, 0))


def _means(cells: np.ndarray, weights: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the mean image of each replicate up to a factor, (R, n_cells)."""
    return np.asarray((counts * weights).astype(np.float32) @ cells, dtype=np.float64)


def _misplaced(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return half the sum of differences between the shares of energy in the cells, (R,): 0 to 1."""
    totals = first.sum(axis=1, keepdims=True), second.sum(axis=1, keepdims=True)
    a, b = (np.divide(i, t, out=np.zeros_like(i), where=t > 0) for i, t in zip((first, second), totals, strict=True))
    return np.asarray(0.5 * np.abs(a - b).sum(axis=1))
